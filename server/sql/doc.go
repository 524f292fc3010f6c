// Package sql reads the statements that replicas, mysqlbinlog and monitoring
// tools send to a primary: SELECT without tables, SET, SHOW, KILL and USE.
//
// It is a tokenizer and a recursive-descent parser over MySQL's lexical rules
// (sql/sql_lex.cc of mysql-server, default SQL mode), not a list of strings: any
// case, blanks, comments, quotes and trailing semicolons mean what they mean to
// mysqld. It is pure: no sockets, no session, no values. What is not fully
// parsed is never executed: Parse returns either a whole statement or an error.
//
// Memory and stack are bounded: nesting at most maxDepth, lists at most MaxItems,
// and nothing is kept of the text but what the tree needs.
package sql
