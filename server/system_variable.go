package server

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/binlogproxy/binlogproxy/replication"
)

// systemVariable describes one @@variable.
type systemVariable struct {
	kind  variableKind
	scope variableScope
	// own returns the value, printed as SHOW VARIABLES does; nil where it is the
	// source's last known one.
	own func(*session) string
	// there says whether the source's version has the variable; nil: all have it.
	there func(Identity) bool
	// settable says that a session may set the variable. Beyond reading it back that
	// has an effect only where session.apply says so.
	settable bool
}

type variableKind uint8

const (
	textVariable variableKind = iota
	integerVariable
	booleanVariable // ON or OFF in SHOW VARIABLES, 1 or 0 in SELECT
)

type variableScope uint8

const (
	bothScopes variableScope = iota
	globalOnly
	sessionOnly
)

// systemVariables are all names that are known. Every other one is error 1193, and
// no row in SHOW VARIABLES.
var systemVariables = map[string]systemVariable{
	// Who we are.
	"server_id":       {kind: integerVariable, scope: globalOnly, own: func(s *session) string { return uintValue(uint64(s.identity().ServerID)).text }},
	"server_uuid":     {scope: globalOnly, own: func(s *session) string { return s.identity().ServerUUID }},
	"version":         {scope: globalOnly, own: func(s *session) string { return s.identity().Version }},
	"version_comment": {scope: globalOnly},
	"hostname":        {scope: globalOnly, own: func(*session) string { return hostname() }},
	"port":            {kind: integerVariable, scope: globalOnly, own: (*session).localPort},
	"read_only":       {kind: booleanVariable, scope: globalOnly, own: always("ON")},
	"super_read_only": {kind: booleanVariable, scope: globalOnly, own: always("ON")},

	// How the listener speaks TLS.
	"require_secure_transport": {kind: booleanVariable, scope: globalOnly, own: (*session).tlsRequired},
	"tls_version":              {scope: globalOnly, own: always("TLSv1.2,TLSv1.3")},
	"have_ssl":                 {scope: globalOnly, own: (*session).haveTLS, there: beforeMySQL84},
	"have_openssl":             {scope: globalOnly, own: (*session).haveTLS, there: beforeMySQL84},

	// What we hold.
	"binlog_checksum":     {scope: globalOnly, own: func(s *session) string { return servedChecksum(s.server.opts.Log).String() }},
	"gtid_executed":       {scope: globalOnly, own: func(s *session) string { return s.server.opts.Log.Executed().String() }},
	"gtid_purged":         {scope: globalOnly, own: func(s *session) string { return s.server.opts.Log.Purged().String() }},
	"log_bin":             {kind: booleanVariable, scope: globalOnly, own: always("ON")},
	"log_replica_updates": {kind: booleanVariable, scope: globalOnly, own: always("ON")},
	"log_slave_updates":   {kind: booleanVariable, scope: globalOnly, own: always("ON")},

	// The source's.
	"gtid_mode":                      {scope: globalOnly},
	"enforce_gtid_consistency":       {scope: globalOnly},
	"binlog_format":                  {},
	"binlog_row_image":               {},
	"binlog_row_metadata":            {scope: globalOnly},
	"binlog_row_value_options":       {},
	"binlog_transaction_compression": {kind: booleanVariable},
	"binlog_expire_logs_seconds":     {kind: integerVariable, scope: globalOnly},
	"lower_case_table_names":         {kind: integerVariable, scope: globalOnly},
	"character_set_server":           {settable: true},
	"collation_server":               {settable: true},
	"system_time_zone":               {scope: globalOnly},
	"max_allowed_packet":             {kind: integerVariable},
	"auto_increment_increment":       {kind: integerVariable, settable: true},
	"init_connect":                   {scope: globalOnly},
	"license":                        {scope: globalOnly},
	"performance_schema":             {kind: booleanVariable, scope: globalOnly},
	"sql_mode":                       {settable: true},
	"time_zone":                      {settable: true},
	"transaction_isolation":          {settable: true},

	// The session's.
	"autocommit":               {kind: booleanVariable, own: always("ON"), settable: true},
	"wait_timeout":             {kind: integerVariable, own: func(s *session) string { return seconds(s.server.opts.WaitTimeout) }, settable: true},
	"interactive_timeout":      {kind: integerVariable, own: func(s *session) string { return seconds(s.server.opts.WaitTimeout) }, settable: true},
	"net_write_timeout":        {kind: integerVariable, own: func(s *session) string { return seconds(s.server.opts.WriteTimeout) }, settable: true},
	"net_read_timeout":         {kind: integerVariable, own: always("30"), settable: true},
	"lock_wait_timeout":        {kind: integerVariable, own: always("31536000"), settable: true},
	"innodb_lock_wait_timeout": {kind: integerVariable, own: always("50"), settable: true},
	"sql_log_bin":              {kind: booleanVariable, scope: sessionOnly, own: always("ON"), settable: true},
	"pseudo_thread_id":         {kind: integerVariable, scope: sessionOnly, own: func(s *session) string { return uintValue(uint64(s.id)).text }},
	"character_set_client":     {own: (*session).charset, settable: true},
	"character_set_connection": {own: (*session).charset, settable: true},
	"character_set_results":    {own: (*session).charset, settable: true},
	"collation_connection":     {own: func(s *session) string { return s.collation.name() }, settable: true},
	"sql_auto_is_null":         {kind: booleanVariable, own: always("OFF"), settable: true},
	"sql_quote_show_create":    {kind: booleanVariable, own: always("ON"), settable: true},
	"foreign_key_checks":       {kind: booleanVariable, own: always("ON"), settable: true},
	"unique_checks":            {kind: booleanVariable, own: always("ON"), settable: true},
	"max_execution_time":       {kind: integerVariable, own: always("0"), settable: true},
	"sql_select_limit":         {kind: integerVariable, own: always("18446744073709551615"), settable: true},
	"session_track_schema":     {kind: booleanVariable, own: always("OFF"), settable: true},
	"session_track_gtids":      {own: always("OFF"), settable: true},
	"net_buffer_length":        {kind: integerVariable, own: always("16384")},
}

// UpstreamVariables are the names of the source's global variables that are passed
// on, sorted: what Identity.Variables should hold.
func UpstreamVariables() []string {
	var names []string
	for name, v := range systemVariables {
		if v.own == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// variableNames are all names, sorted as SHOW VARIABLES lists them.
var variableNames = slices.Sorted(maps.Keys(systemVariables))

// read returns a variable's value, as SHOW VARIABLES prints it, and whether it is
// there: what is the source's may be unknown.
func (s *session) read(name string, v systemVariable, global bool) (string, bool) {
	if text, set := s.settings[name]; set && !global {
		return text, true
	}
	if v.own != nil {
		return v.own(s), v.there == nil || v.there(s.identity())
	}
	text, known := s.identity().Variables[name]
	return text, known
}

// value gives a printed value its type in SELECT.
func (v systemVariable) value(text string) value {
	switch v.kind {
	case integerVariable:
		n, err := strconv.ParseUint(text, 10, 64)
		if err == nil {
			return uintValue(n)
		}
	case booleanVariable:
		return boolValue(text == "ON" || text == "1")
	}
	return textValue(text)
}

// beforeMySQL84: 8.4 has removed what was deprecated in 8.0.26.
func beforeMySQL84(id Identity) bool {
	return id.number() < 80400 || id.Flavor != replication.MySQL
}

func always(text string) func(*session) string { return func(*session) string { return text } }

func seconds(d time.Duration) string { return strconv.FormatInt(int64(max(d/time.Second, 1)), 10) }

func (s *session) charset() string { return s.collation.charset }

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}
