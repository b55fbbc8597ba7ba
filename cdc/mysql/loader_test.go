package mysql

import (
	"fmt"
	"testing"
	"time"

	"github.com/cdc2lake/cdc2lake/cdc"
	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

// TestChunkAheadOfTheStream: rows that have another definition than the one that the stream has reached are no reason to pause. The
// stream will bring the change, and the chunk is read again.
func TestChunkAheadOfTheStream(t *testing.T) {
	s := testenv.NeedMySQL(t)
	ctx := timeout(t, time.Minute)
	changes := []string{"MODIFY c TEXT", "MODIFY c CHAR(16) NOT NULL", "MODIFY c CHAR(16) CHARACTER SET latin1", "RENAME COLUMN c TO d", "DROP COLUMN c"}
	for i := range changes {
		for _, table := range []string{"keyed%d (id INT PRIMARY KEY, c CHAR(16))", "keyless%d (id INT, c CHAR(16))"} {
			s.Exec("CREATE TABLE " + fmt.Sprintf(table, i))
		}
	}
	src := newSource(t, config(s.MySQLServer, s.Name))
	_, found := startAll(t, src, true)
	for _, d := range found {
		name := d.Table.Name
		change := changes[name[len(name)-1]-'0']
		s.Exec("ALTER TABLE " + name + " " + change)
		err := src.Read(ctx, d.Schema, cdc.Chunk{}, func(b *cdc.Batch) error { b.Release(); return nil })
		if cdc.ClassOf(err) != cdc.Retryable {
			t.Errorf("%s, %s: %v", d.Table, change, err)
		}
	}
}
