package wire

// Collation ids, as in information_schema.collations. The greeting and the
// handshake response have one byte for them, a column definition two.
const (
	CollationLatin1Swedish  = 8
	CollationUTF8MB3General = 33
	CollationUTF8MB4General = 45
	CollationBinary         = 63  // of every column that is not text
	CollationUTF8MB40900AI  = 255 // utf8mb4_0900_ai_ci, the default of MySQL 8.0 and later
)
