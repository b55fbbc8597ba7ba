package binlog

import "encoding/binary"

// Query is the statement of a QueryEvent.
type Query struct {
	ThreadID  uint32
	ErrorCode uint16
	Database  []byte // the default database
	SQL       []byte // in the client's character set
	SQLMode   uint64 // of the session; ModeANSIQuotes and ModeNoBackslashEscapes change the statement's meaning
	// ClientCollation is the id of the session's character_set_client, 0 if not given; see CollationCharset.
	ClientCollation uint16
	// ConnectionCollation is the id of the session's collation_connection; string literals are converted to its character set.
	ConnectionCollation uint16
}

// Bits of Query.SQLMode.
const (
	ModeRealAsFloat        = 0x1
	ModeANSIQuotes         = 0x4
	ModeNoBackslashEscapes = 0x100000
	ModeOracle             = 0x200               // of MariaDB
	ModeEmptyStringIsNull  = 1 << 32             // of MariaDB
	ModeStrict             = 0x200000 | 0x400000 // STRICT_TRANS_TABLES, STRICT_ALL_TABLES: either is enough
)

// loadHeader is what LOAD DATA has in addition: the number of the file, where its name begins and ends in the statement, and what is done
// with duplicates.
const loadHeader = 4 + 4 + 4 + 1

// parse reads thread 4, execution time 4, length of the database 1, error 2, length of the status variables 2, so many bytes more, the
// variables, the database, a zero byte, the statement.
func (q *Query) parse(b []byte, more int) error {
	if len(b) < 13+more {
		return errShortEvent
	}
	*q = Query{ThreadID: binary.LittleEndian.Uint32(b), ErrorCode: binary.LittleEndian.Uint16(b[9:])}
	db, vars := int(b[8]), int(binary.LittleEndian.Uint16(b[11:]))
	b = b[13+more:]
	if len(b) < vars+db+1 {
		return errShortEvent
	}
	q.parseStatus(b[:vars])
	q.Database = b[vars : vars+db]
	q.SQL = b[vars+db+1:]
	return nil
}

// parseStatus reads the variables up to the client's character set; they are written in this order.
func (q *Query) parseStatus(b []byte) {
	for len(b) > 0 {
		code := b[0]
		b = b[1:]
		n := 0
		switch code {
		case 0: // flags2
			n = 4
		case 1: // sql_mode
			if n = 8; len(b) >= n {
				q.SQLMode = binary.LittleEndian.Uint64(b)
			}
		case 2: // catalog of old servers, with a zero byte
			if len(b) > 0 {
				n = int(b[0]) + 2
			}
		case 3: // auto_increment
			n = 4
		case 4: // character_set_client, collation_connection, collation_server
			if n = 6; len(b) >= n {
				q.ClientCollation = binary.LittleEndian.Uint16(b)
				q.ConnectionCollation = binary.LittleEndian.Uint16(b[2:])
			}
			return
		case 5, 6: // time zone, catalog
			if len(b) > 0 {
				n = int(b[0]) + 1
			}
		default:
			return
		}
		if len(b) < n {
			return
		}
		b = b[n:]
	}
}
