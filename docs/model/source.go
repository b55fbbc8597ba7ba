package model

const (
	txns   = 4 // transactions of the log
	tables = 2
	keys   = 2 // of each table
)

// effect is what a transaction does to a key.
type effect uint8

const (
	none effect = iota
	deleted
	written // inserted or updated: the row's version is the number of the transaction
)

// log is MySQL's log, [transaction][table][key]. Transaction 2 may also alter table 1 (Bounds.DDL), which it does not write.
var log = [txns + 1][tables][keys]effect{
	{},
	{{written, written}, {written, none}},
	{{written, none}, {none, none}},
	{{deleted, none}, {written, written}},
	{{written, deleted}, {deleted, none}},
}

// A row is its key and version: (key+1)<<4 | version.
func row(key int, version uint8) uint8 { return uint8(key+1)<<4 | version } // #nosec G115 -- two keys

func keyOf(row uint8) int { return int(row>>4) - 1 }

// rowsAt returns the rows of a table, by key, after transaction pos.
func rowsAt(table int, pos uint8) (rows [keys]uint8) {
	for x := uint8(1); x <= pos; x++ {
		for k := range keys {
			switch log[x][table][k] {
			case written:
				rows[k] = row(k, x)
			case deleted:
				rows[k] = 0
			case none:
			}
		}
	}
	return rows
}

// alters says whether transaction x changes the definition of a table.
func (m *model) alters(table int, x uint8) bool { return m.b.DDL && table == 1 && x == 2 }

// definitionAt returns the number of a table's definition after transaction pos.
func (m *model) definitionAt(table int, pos uint8) uint8 {
	if pos >= 2 && m.alters(table, 2) {
		return 2
	}
	return 1
}
