package wire

// Capabilities are the CLIENT_* bits that server and client exchange at login
// (include/mysql_com.h). What both have set is in force.
type Capabilities uint32

// The bits that this package acts on or that a server may want to offer or see.
const (
	CapLongPassword     Capabilities = 1 << 0 // unset by MariaDB, which takes the bit for itself
	CapFoundRows        Capabilities = 1 << 1
	CapLongFlag         Capabilities = 1 << 2
	CapConnectWithDB    Capabilities = 1 << 3 // the handshake response names a database
	CapNoSchema         Capabilities = 1 << 4
	CapCompress         Capabilities = 1 << 5
	CapODBC             Capabilities = 1 << 6
	CapLocalFiles       Capabilities = 1 << 7 // never offer: lets a server ask a client for files
	CapIgnoreSpace      Capabilities = 1 << 8
	CapProtocol41       Capabilities = 1 << 9
	CapInteractive      Capabilities = 1 << 10
	CapSSL              Capabilities = 1 << 11
	CapIgnoreSIGPIPE    Capabilities = 1 << 12
	CapTransactions     Capabilities = 1 << 13
	CapReserved         Capabilities = 1 << 14 // CLIENT_PROTOCOL_41 of old
	CapSecureConnection Capabilities = 1 << 15 // 20-byte nonce; always set since 4.1
	CapMultiStatements  Capabilities = 1 << 16
	CapMultiResults     Capabilities = 1 << 17
	CapPSMultiResults   Capabilities = 1 << 18
	CapPluginAuth       Capabilities = 1 << 19
	CapConnectAttrs     Capabilities = 1 << 20
	CapPluginAuthLenenc Capabilities = 1 << 21
	CapExpiredPasswords Capabilities = 1 << 22
	CapSessionTrack     Capabilities = 1 << 23 // makes the info of OK a length-encoded string
	CapDeprecateEOF     Capabilities = 1 << 24 // result sets end with OK; a dump still ends with EOF
	CapOptionalMetadata Capabilities = 1 << 25 // never offer: ResultSet always sends its columns
	CapZstd             Capabilities = 1 << 26
	CapQueryAttributes  Capabilities = 1 << 27 // COM_QUERY begins with a block of parameters
	CapMFA              Capabilities = 1 << 28
)

// LoginCapabilities are those that ServerLogin needs its greeting to offer.
// CONNECT_WITH_DB is among them because go-mysql puts the database into its
// response even where it was not offered, and all behind it would be misread.
const LoginCapabilities = CapLongPassword | CapConnectWithDB | CapProtocol41 | CapSecureConnection |
	CapPluginAuth | CapConnectAttrs | CapPluginAuthLenenc

// Has reports whether all bits of want are set.
func (c Capabilities) Has(want Capabilities) bool { return c&want == want }
