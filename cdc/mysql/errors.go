package mysql

import (
	"errors"
	"fmt"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// Codes of the connection and of the log as a whole.
var (
	codeConfig     = cdc.NewCode("MYSQL_CONFIG", cdc.Fatal, "the MySQL part of the configuration is wrong", "correct what the message names")
	codeConnect    = cdc.NewCode("MYSQL_CONNECT", cdc.Retryable, "the MySQL server cannot be reached, or a connection was lost", "check address, network and server; cdc2lake tries again with backoff")
	codeAccess     = cdc.NewCode("MYSQL_ACCESS", cdc.Fatal, "MySQL refused the user or the password, or the user lacks a privilege", "check user and password (the password file is read again on each connect); grant what `cdc2lake check` names")
	codeTLS        = cdc.NewCode("MYSQL_TLS", cdc.Fatal, "the TLS connection to MySQL cannot be verified or set up", "give the server's CA with tls.ca, check tls.server_name, or choose another tls.mode")
	codeProtocol   = cdc.NewCode("MYSQL_PROTOCOL", cdc.Retryable, "the server sent something that the MySQL protocol does not allow", "a proxy may stand between; connect to the server itself, and report it if it happens again")
	codePreflight  = cdc.NewCode("MYSQL_PREFLIGHT", cdc.Fatal, "the server's settings do not allow replication without loss", "run `cdc2lake check`, which names each setting and the statement that corrects it")
	codePurged     = cdc.NewCode("MYSQL_PURGED", cdc.TablePaused, "the server has purged log that a table still needs", "raise binlog_expire_logs_seconds; the table is compared with MySQL by itself, and what differs is brought over; with reload: manual, load it anew with `cdc2lake reload TABLE`").Mended(cdc.MendReconcile)
	codeHistory    = cdc.NewCode("MYSQL_HISTORY", cdc.Fatal, "the server's history is not the one the tables were made from", "connect to the server (or a replica) that has all transactions of the position; after a restore from a backup ask for all tables to be loaded anew (`cdc2lake reload TABLE --no-wait`), then start")
	codePosition   = cdc.NewCode("MYSQL_POSITION", cdc.Fatal, "a log position cannot be read or compared", "it was written by another version or for another server; see the message")
	codeServerID   = cdc.NewCode("MYSQL_SERVER_ID", cdc.Retryable, "another replica uses the same server id", "set server_id to a number that no other replica of the server uses")
	codeLogFormat  = cdc.NewCode("MYSQL_LOG_EVENT", cdc.Fatal, "the log holds an event that cannot be followed without loss", "see the message; reload the tables after the cause is gone")
	codeLostMidway = cdc.NewCode("MYSQL_LOST_IN_TRANSACTION", cdc.Retryable, "the connection was lost in the middle of a transaction", "none: cdc2lake goes on from its last checkpoint")
	codeChunk      = cdc.NewCode("MYSQL_CHUNK", cdc.Retryable, "a chunk of the initial load could not be read", "none: the chunk is read again")
	codeWait       = cdc.NewCode("MYSQL_CHUNK_WAIT", cdc.Retryable, "what the log delivered did not become visible to the chunk's connection in time", "if a replica is read, check that it replicates; a long-held table lock also delays chunks")
)

// Codes that stop one table.
var (
	codeDDL       = cdc.NewCode("MYSQL_DDL", cdc.TablePaused, "a schema change altered the table in a way that only its rows can tell", "nothing: the table is loaded anew by itself, and keeps its rows until they are replaced; with reload: manual, do so with `cdc2lake reload TABLE`").Mended(cdc.MendReload)
	codeSwapped   = cdc.NewCode("MYSQL_TABLE_SWAPPED", cdc.TablePaused, "another table was renamed to the table's name", "nothing: the table is compared with MySQL by itself, and what differs is brought over; with reload: manual, load it anew with `cdc2lake reload TABLE`").Mended(cdc.MendReconcile)
	codeEmptied   = cdc.NewCode("MYSQL_TABLE_REPLACED", cdc.TablePaused, "the table was dropped, created anew or emptied while it was being loaded", "nothing: as soon as a table of this name is there it is loaded by itself; with reload: manual, do so with `cdc2lake reload TABLE`").Mended(cdc.MendReplace)
	codeStatement = cdc.NewCode("MYSQL_STATEMENT_FORMAT", cdc.TablePaused, "a change was logged as a statement, not as rows", "set binlog_format=ROW for every session, then `cdc2lake reload TABLE`")
	codeRollback  = cdc.NewCode("MYSQL_ROLLBACK", cdc.TablePaused, "a transaction was taken back in the log after its rows were sent", "`cdc2lake reload TABLE`; keep tables with and without transactions out of the same transaction")
	codeXA        = cdc.NewCode("MYSQL_XA", cdc.TablePaused, "an XA transaction was committed whose rows are no longer in the server's log, since it was prepared so long ago", "`cdc2lake reload TABLE`; raise binlog_expire_logs_seconds, or do not leave XA transactions prepared for so long")
	codeEngine    = cdc.NewCode("MYSQL_ENGINE", cdc.TablePaused, "the table's storage engine keeps no rows of its own, so that the log does not say what it holds", "change it to another engine (ALTER TABLE … ENGINE = InnoDB) and reload, or leave the table out with tables.exclude")
	codeLock      = cdc.NewCode("MYSQL_LOCK", cdc.TablePaused, "the user may not lock a table without a key, which its initial load has to, for a moment", "GRANT LOCK TABLES ON the table's database, then `cdc2lake reload TABLE`; or add a primary key")
	codeGone      = cdc.NewCode("MYSQL_TABLE_GONE", cdc.TablePaused, "the table is no longer in the source", "create it again, and it is loaded anew; or leave it out with tables.exclude").Mended(cdc.MendReload)
	codeVersioned = cdc.NewCode("MARIADB_VERSIONED", cdc.TablePaused, "the table is system-versioned: MariaDB logs the rows of its history as rows of the table", "ALTER TABLE … DROP SYSTEM VERSIONING and reload, or leave the table out with tables.exclude")
)

// errAccess etc. are numbers of server errors (mysqld_error.h).
const (
	erDBAccessDenied     = 1044
	erAccessDenied       = 1045
	erBadDB              = 1049
	erUnknownColumn      = 1054
	erTableAccessDenied  = 1142
	erNoSuchTable        = 1146
	erLockWaitTimeout    = 1205
	erSpecificAccess     = 1227
	erMasterFatalReading = 1236
	erSlaveSameID        = 4052 // MariaDB
	erTableDefChanged    = 1412
	erQueryInterrupted   = 1317
	erQueryTimeout       = 3024
	erServerShutdown     = 1053
	erUnknownStmtHandler = 1243
)

// serverError returns the number of the server's error in err's chain, or 0.
func serverError(err error) uint16 {
	var my *gomysql.MyError
	if errors.As(err, &my) {
		return my.Code
	}
	return 0
}

// classify gives an error of a connection or statement the code that decides whether it is worth trying again.
func classify(err error, doing string) error {
	if err == nil || cdc.AsError(err) != nil {
		return err
	}
	switch serverError(err) {
	case erAccessDenied, erDBAccessDenied, erTableAccessDenied, erSpecificAccess:
		return cdc.Errorf(codeAccess, cdc.TableID{}, "%s: %w", doing, err)
	case 0:
		return cdc.Errorf(codeConnect, cdc.TableID{}, "%s: %w", doing, err)
	}
	return cdc.Errorf(codeConnect, cdc.TableID{}, "%s: the server answered %w", doing, err)
}

func configError(format string, args ...any) error {
	return cdc.Errorf(codeConfig, cdc.TableID{}, format, args...)
}

func protocolError(format string, args ...any) error {
	return &cdc.Error{Code: codeProtocol, Msg: fmt.Sprintf(format, args...)}
}
