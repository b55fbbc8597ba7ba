package mysql

import (
	"testing"

	"github.com/cdc2lake/cdc2lake/cdc/binlog"
)

func TestWithoutSecrets(t *testing.T) {
	for _, c := range []struct {
		sql, want string
		mode      uint64
	}{
		{`CREATE TABLE t (id INT) ENGINE=FEDERATED CONNECTION='mysql://u:pw@h/d/t'`, `CREATE TABLE t (id INT) ENGINE=FEDERATED CONNECTION='…'`, 0},
		{`alter table t connection "a''b", COMMENT 'x'`, `alter table t connection '…', COMMENT 'x'`, 0},
		{`CREATE TABLE t (password INT COMMENT 'the password ''is'' x') PASSWORD = 'se\'cret' COMMENT='it''s'`, `CREATE TABLE t (password INT COMMENT 'the password ''is'' x') PASSWORD = '…' COMMENT='it''s'`, 0},
		{"CREATE TABLE t (`password` CHAR(9) DEFAULT 'abc', c CHAR(9)) /*! connection='x' */ -- don't\n PASSWORD='y'", "CREATE TABLE t (`password` CHAR(9) DEFAULT 'abc', c CHAR(9)) /*! connection='…' */ -- don't\n PASSWORD='…'", 0},
		{`CREATE TABLE t (id INT) COMMENT='\' CONNECTION='x'`, `CREATE TABLE t (id INT) COMMENT='\' CONNECTION='…'`, binlog.ModeNoBackslashEscapes},
		{`CREATE TABLE passwords (a INT)`, `CREATE TABLE passwords (a INT)`, 0},
	} {
		if got := withoutSecrets(c.sql, c.mode); got != c.want {
			t.Errorf("%s\nbecomes %s\nwant    %s", c.sql, got, c.want)
		}
	}
}
