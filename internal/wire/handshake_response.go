package wire

import "errors"

// HandshakeResponse is the client's answer to the greeting,
// Protocol::HandshakeResponse41 (sql-common/client.cc, send_client_reply_packet;
// sql/auth/sql_authentication.cc, parse_client_handshake_packet).
//
//	capabilities u32 | max packet size u32 | collation u8 | 23 zeros | user NUL
//	| auth data: length (lenenc with PLUGIN_AUTH_LENENC, else u8) and bytes
//	| database NUL    with CONNECT_WITH_DB
//	| plug-in NUL     with PLUGIN_AUTH; the JavaScript driver "mysql" leaves it out
//	| attributes      with CONNECT_ATTRS: lenenc of the whole, then lenenc strings
//	| zstd level u8   with ZSTD
type HandshakeResponse struct {
	Capabilities  Capabilities
	MaxPacketSize uint32 // 0 from several clients; no limit for a dump
	Collation     uint8  // any value, 0 from a MariaDB 11.8 replica
	User          string
	AuthData      []byte // for Plugin and the nonce of the greeting
	Database      string
	Plugin        string // "" if it is missing
	Attributes    Attributes
	ZstdLevel     uint8
}

var errProtocol41 = errors.New("client does not speak the 4.1 protocol")

// DecodeHandshakeResponse decodes the payload of a handshake response. AuthData
// and Attributes alias it.
func DecodeHandshakeResponse(payload []byte) (HandshakeResponse, error) {
	var h HandshakeResponse
	r := NewReader("HandshakeResponse", payload)
	h.Capabilities = Capabilities(r.Uint32("capabilities"))
	if r.Err() == nil && !h.Capabilities.Has(CapProtocol41) {
		r.Fail("capabilities", errProtocol41)
	}
	h.MaxPacketSize = r.Uint32("max packet size")
	h.Collation = r.Uint8("collation")
	r.Bytes("reserved", 23) // MariaDB has more capabilities in the last four
	h.User = r.NulString("user")
	if h.Capabilities.Has(CapPluginAuthLenenc) {
		h.AuthData = r.LenencBytes("auth data")
	} else {
		h.AuthData = r.Bytes("auth data", int(r.Uint8("auth data length")))
	}
	if h.Capabilities.Has(CapConnectWithDB) {
		h.Database = r.NulString("database")
	}
	if h.Capabilities.Has(CapPluginAuth) && r.Len() > 0 {
		h.Plugin = r.FinalString("plug-in")
	}
	if h.Capabilities.Has(CapConnectAttrs) && r.Len() > 0 {
		if attributes := r.LenencBytes("attributes"); len(attributes) > 0 {
			h.Attributes = attributes
		}
	}
	if h.Capabilities.Has(CapZstd) && r.Len() > 0 {
		h.ZstdLevel = r.Uint8("zstd level")
	}
	return h, r.Err()
}

// Append appends the payload to dst. Fields whose capability is not set are
// left out; without PLUGIN_AUTH_LENENC auth data is cut at 255 bytes.
func (h *HandshakeResponse) Append(dst []byte) []byte {
	dst = le.AppendUint32(dst, uint32(h.Capabilities))
	dst = le.AppendUint32(dst, h.MaxPacketSize)
	dst = append(dst, h.Collation)
	dst = appendZeros(dst, 23)
	dst = appendNulString(dst, h.User)
	if h.Capabilities.Has(CapPluginAuthLenenc) {
		dst = appendLenencString(dst, h.AuthData)
	} else {
		data := h.AuthData[:min(len(h.AuthData), 255)]
		dst = append(append(dst, byte(len(data))), data...)
	}
	if h.Capabilities.Has(CapConnectWithDB) {
		dst = appendNulString(dst, h.Database)
	}
	if h.Capabilities.Has(CapPluginAuth) {
		dst = appendNulString(dst, h.Plugin)
	}
	if h.Capabilities.Has(CapConnectAttrs) {
		dst = appendLenencString(dst, []byte(h.Attributes))
	}
	if h.Capabilities.Has(CapZstd) {
		dst = append(dst, h.ZstdLevel)
	}
	return dst
}
