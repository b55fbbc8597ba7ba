package binlog

import (
	"bytes"
	"encoding/binary"
)

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
	// ExplicitTimestamps says that the session had explicit_defaults_for_timestamp ON: TIMESTAMP columns are nullable unless they say
	// otherwise. Servers before 8.0 and MariaDB do not say it.
	ExplicitTimestamps bool
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

// parseStatus reads the variables, which have no lengths: what follows one that is not known cannot be read.
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
		case 5, 6: // time zone, catalog
			if len(b) > 0 {
				n = int(b[0]) + 1
			}
		case 7, 8: // names of days, collation of the database
			n = 2
		case 9: // tables of an UPDATE
			n = 8
		case 10: // what the source wrote
			n = 4
		case 11: // user and host
			for range 2 {
				if len(b) > n {
					n += int(b[n]) + 1
				}
			}
		case 12: // databases, each with a zero byte; 254 are too many to be named
			if len(b) == 0 {
				return
			}
			n = 1
			for i := byte(0); i < b[0] && b[0] != 254; i++ {
				end := bytes.IndexByte(b[min(n, len(b)):], 0)
				if end < 0 {
					return
				}
				n += end + 1
			}
		case 13: // microseconds
			n = 3
		case 16:
			q.ExplicitTimestamps = len(b) > 0 && b[0] == 1
			return
		default:
			return
		}
		if len(b) < n {
			return
		}
		b = b[n:]
	}
}
