package mysql

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// positionVersion is the format of position. N reads N-1; a newer one is refused.
const positionVersion = 1

// position is what a cdc.Position of this source holds, as JSON. With GTIDs the set decides where the log goes on; File and
// Pos then only order a load's end among boundaries. Without GTIDs File and Pos decide, and only on the same server.
type position struct {
	V int `json:"v"`
	// Server is the server_uuid that File and Pos belong to.
	Server string `json:"server,omitempty"`
	// GTIDs is the set of all transactions before the position; GTIDMode tells an empty set from none.
	GTIDMode bool   `json:"gtid,omitempty"`
	GTIDs    string `json:"gtids,omitempty"`
	File     string `json:"file,omitempty"`
	Pos      uint64 `json:"pos,omitempty"`
	// The last transaction before the position: its GTID (with GTIDs) or the offset in File where it starts (without),
	// and its original commit time in microseconds. It is asked for again when the log is resumed.
	LastGTID   string `json:"last_gtid,omitempty"`
	LastStart  uint64 `json:"last_start,omitempty"`
	LastMicros int64  `json:"last_micros,omitempty"`
	// MariaDB says that GTIDs are MariaDB's. LastBefore is then the one before LastGTID in its domain.
	MariaDB    bool   `json:"mariadb,omitempty"`
	LastBefore string `json:"last_before,omitempty"`
}

// encode returns the position's text.
func (p position) encode() cdc.Position {
	p.V = positionVersion
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return cdc.Position(b)
}

// label is the position as people write it.
func (p position) label() string {
	if p.GTIDMode {
		return p.GTIDs
	}
	return p.File + ":" + strconv.FormatUint(p.Pos, 10)
}

func decodePosition(c cdc.Position) (p position, err error) {
	if c == "" {
		return p, &cdc.Error{Code: codePosition, Msg: "the position is empty"}
	}
	d := json.NewDecoder(bytes.NewReader([]byte(c)))
	if err := d.Decode(&p); err != nil {
		return p, cdc.Errorf(codePosition, cdc.TableID{}, "position %.200q: %w", string(c), err)
	}
	if p.V < 1 || p.V > positionVersion {
		return p, &cdc.Error{Code: codePosition, Msg: fmt.Sprintf("position of format %d; this version reads up to %d", p.V, positionVersion)}
	}
	if _, err := p.set(); err != nil {
		return p, err
	}
	return p, nil
}

// set returns the GTID set, parsed.
func (p position) set() (gtidSet, error) { return parseGTIDs(p.GTIDs, p.MariaDB) }

// comparePositions orders two positions: by GTID subset where both have GTIDs, otherwise by file and offset on one server. A
// position with GTIDs whose place in the files is not known yet lies before every place in the files: it is
// only compared so with the end of a load, which it has then not passed for sure.
func comparePositions(a, b position) (int, error) {
	if a.GTIDMode && b.GTIDMode {
		as, err := a.set()
		if err != nil {
			return 0, err
		}
		bs, err := b.set()
		if err != nil {
			return 0, err
		}
		switch ab, ba := bs.covers(as), as.covers(bs); {
		case ab && ba:
			return 0, nil
		case ab:
			return -1, nil
		case ba:
			return 1, nil
		}
		return 0, &cdc.Error{Code: codeHistory, Msg: fmt.Sprintf("the positions %s and %s come from different histories", abbreviate(a.label()), abbreviate(b.label()))}
	}
	switch {
	case a.File == "" && b.File == "":
		return 0, &cdc.Error{Code: codePosition, Msg: "neither position names a place in the log's files"}
	case a.File == "" && a.GTIDMode:
		return -1, nil
	case b.File == "" && b.GTIDMode:
		return 1, nil
	}
	if a.Server != b.Server {
		return 0, &cdc.Error{Code: codeHistory, Msg: fmt.Sprintf("log files of different servers (%s and %s) cannot be compared", a.Server, b.Server)}
	}
	return compareFiles(a.File, a.Pos, b.File, b.Pos)
}

// compareFiles orders places in one server's log: by the number in the file's name, then by offset. The number grows
// beyond six digits, so the names are not compared as text.
func compareFiles(af string, ap uint64, bf string, bp uint64) (int, error) {
	if af != bf {
		an, err := fileNumber(af)
		if err != nil {
			return 0, err
		}
		bn, err := fileNumber(bf)
		if err != nil {
			return 0, err
		}
		if an.base != bn.base {
			return 0, &cdc.Error{Code: codeHistory, Msg: fmt.Sprintf("log files %s and %s are of different series: log_bin was changed", af, bf)}
		}
		ap, bp = an.n, bn.n
	}
	switch {
	case ap < bp:
		return -1, nil
	case ap > bp:
		return 1, nil
	}
	return 0, nil
}

type logFile struct {
	base string
	n    uint64
}

func fileNumber(name string) (logFile, error) {
	i := strings.LastIndexByte(name, '.')
	n, err := strconv.ParseUint(name[i+1:], 10, 64)
	if i < 0 || err != nil {
		return logFile{}, &cdc.Error{Code: codePosition, Msg: fmt.Sprintf("log file name %q has no number", name)}
	}
	return logFile{name[:i], n}, nil
}

func abbreviate(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}
