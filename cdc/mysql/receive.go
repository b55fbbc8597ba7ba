package mysql

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/google/uuid"

	"github.com/cdc2lake/cdc2lake/cdc"
)

const (
	// receiveBlocks is how many blocks the receiver may be ahead of the decoder: enough to overlap, and a bound on what
	// waits in memory (DESIGN 3: queues are bounded back to the socket).
	receiveBlocks = 4

	dumpNonBlock    = 1 << 0 // BINLOG_DUMP_NON_BLOCK: the end of the log ends the stream
	dumpHeartbeatV2 = 1 << 1 // USE_HEARTBEAT_EVENT_V2
	dumpThroughGTID = 1 << 2 // BINLOG_THROUGH_GTID
)

// dumpRequest says from where a connection asks for the log.
type dumpRequest struct {
	gtids bool
	// set is asked for without its last transaction where that is to be verified; full is the whole of it.
	set, full gtidSet
	server    string // of file positions
	file      string
	pos       uint64
	last      gtid
	verify    bool
	// waiting are the tables that begin later: the server must have what they hold, too.
	waiting []*followed
}

// received is what the receiver hands to the decoder: first the start of a connection, then blocks, then an error.
type received struct {
	blk     block
	started *started
	err     error
}

// started describes a connection whose log flows.
type started struct {
	server string
	// verify: the last transaction was asked for again.
	verify bool
	lower  bool
	// columnKeys: foreign keys can be written with a column (9.0 and later; before, they were read and ignored).
	columnKeys bool
	mariadb    bool
	cascades   cascadeLog
}

// receiver is one connection of the log: a goroutine that reads blocks and hands them over.
type receiver struct {
	s      *Source
	out    chan received
	free   chan []byte
	cancel context.CancelFunc
	done   chan struct{}
}

// receive starts a receiver. It ends with an error in out, or silently when stopped.
func (s *Source) receive(ctx context.Context, req dumpRequest) *receiver {
	ctx, cancel := context.WithCancel(ctx)
	r := &receiver{s: s, out: make(chan received, receiveBlocks), free: make(chan []byte, receiveBlocks+2), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		if err := r.run(ctx, req); err != nil {
			r.put(ctx, received{err: err})
		}
	}()
	return r
}

// stop ends the receiver and waits for it.
func (r *receiver) stop() {
	r.cancel()
	<-r.done
}

func (r *receiver) put(ctx context.Context, x received) bool {
	select {
	case r.out <- x:
		return true
	case <-ctx.Done():
		return false
	}
}

// recycle gives a block's memory back.
func (r *receiver) recycle(b block) {
	if cap(b.buf) > 16*blockBytes {
		return
	}
	select {
	case r.free <- b.buf:
	default:
	}
}

func (r *receiver) run(ctx context.Context, req dumpRequest) error {
	cn, err := r.s.cfg.connect(ctx, r.s.cfg.Address)
	if err != nil {
		return err
	}
	defer cn.close()
	st, err := r.s.startDump(cn, &req)
	if err != nil {
		return err
	}
	if !r.put(ctx, received{started: st}) {
		return nil
	}
	socket := cn.socket()
	f := newFramer(&patientReader{socket, 4*r.s.cfg.Heartbeat + 10*time.Second})
	f.seq = 1
	g := gather{ctx: ctx}
	for {
		var buf []byte
		select {
		case buf = <-r.free:
		default:
		}
		blk, err := f.read(buf)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if cdc.AsError(err) == nil {
				err = lostConnection(err)
			}
			return err
		}
		r.s.cfg.Observer.received(len(blk.data))
		n := len(blk.data)
		if !r.put(ctx, received{blk: blk}) {
			return nil
		}
		g.wait(n)
	}
}

func lostConnection(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return cdc.Errorf(codeConnect, cdc.TableID{}, "the server closed the log's connection")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return cdc.Errorf(codeConnect, cdc.TableID{}, "the server was silent for several heartbeats: %w", err)
	}
	return cdc.Errorf(codeConnect, cdc.TableID{}, "the log's connection was lost: %w", err)
}

// patientReader limits how long one read may take: the server sends a heartbeat when it has nothing else.
type patientReader struct {
	c net.Conn
	d time.Duration
}

func (p *patientReader) Read(b []byte) (int, error) {
	if err := p.c.SetReadDeadline(time.Now().Add(p.d)); err != nil {
		return 0, err
	}
	return p.c.Read(b)
}

// startDump checks the server and the position (DESIGN 4) and asks for the log.
func (s *Source) startDump(cn *conn, req *dumpRequest) (*started, error) {
	err := s.preflight(cn)
	if err != nil {
		return nil, err
	}
	if _, domains := req.full.(domainSet); domains != cn.dialect.mariadb {
		return nil, cdc.Errorf(codeHistory, cdc.TableID{}, "the position is of another kind of server than %s", cn.GetServerVersion())
	}
	if req.gtids {
		wanted := req.verify
		err = checkGTIDs(cn, req)
		if wanted && !req.verify {
			s.cfg.Logger.Warn("the server has purged the last transaction that the tables hold: that it is the same one cannot be verified", "gtid", req.last.String(), "server", cn.uuid)
		}
	} else {
		err = checkFile(cn, req)
	}
	if err != nil {
		return nil, err
	}
	if err := s.checkServerID(cn); err != nil {
		return nil, err
	}
	st := &started{server: cn.uuid, verify: req.verify, columnKeys: cn.dialect.columnKeys, mariadb: cn.dialect.mariadb}
	row, err := cn.queryRow("SELECT @@lower_case_table_names")
	if err != nil {
		return nil, err
	}
	st.lower = row[0] != "0"
	if st.cascades, err = readCascadeLog(cn); err != nil {
		return nil, err
	}
	setUp := append(append([]string(nil), cn.dialect.dump...), fmt.Sprintf(cn.dialect.heartbeat, s.cfg.Heartbeat.Nanoseconds()),
		fmt.Sprintf("SET @replica_uuid = '%s', @slave_uuid = '%[1]s'", replicaUUID(s.cfg.ServerID)))
	if cn.dialect.mariadb {
		setUp = append(setUp, "SET @slave_connect_state = "+quoteString(req.set.String()))
	}
	for _, q := range setUp {
		if _, err := cn.exec(q); err != nil {
			return nil, err
		}
	}
	if err := s.register(cn); err != nil {
		return nil, err
	}
	if set, ok := req.set.(uuidSet); ok {
		return st, sendCommand(cn.socket(), gomysql.COM_BINLOG_DUMP_GTID, dumpGTIDBody(s.cfg.ServerID, set))
	}
	if cn.dialect.mariadb { // the set is in the session; flags 0: without the statements behind rows
		b := binary.LittleEndian.AppendUint32(nil, 4)
		b = binary.LittleEndian.AppendUint16(b, 0)
		return st, sendCommand(cn.socket(), gomysql.COM_BINLOG_DUMP, binary.LittleEndian.AppendUint32(b, s.cfg.ServerID))
	}
	if req.pos > 1<<32-1 {
		return nil, cdc.Errorf(codePosition, cdc.TableID{}, "the position %s:%d lies beyond 4 GiB, where the server cannot be asked to start; use GTIDs", req.file, req.pos)
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(req.pos))
	b = binary.LittleEndian.AppendUint16(b, dumpHeartbeatV2)
	b = binary.LittleEndian.AppendUint32(b, s.cfg.ServerID)
	return st, sendCommand(cn.socket(), gomysql.COM_BINLOG_DUMP, append(b, req.file...))
}

// dumpGTIDBody: flags, server id, no file, position 4, and the set of what we have.
func dumpGTIDBody(id uint32, set uuidSet) []byte {
	enc := set.Encode()
	b := binary.LittleEndian.AppendUint16(nil, dumpThroughGTID|dumpHeartbeatV2)
	b = binary.LittleEndian.AppendUint32(b, id)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, 4)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(enc)))
	return append(b, enc...)
}

// replicaUUID is what we tell the server that we are. It follows from the server id alone, so that a new process with the
// same configured id takes the place of a dead one at once.
func replicaUUID(id uint32) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "cdc2lake %d", id)).String()
}

// checkServerID refuses an id that another replica has registered.
func (s *Source) checkServerID(cn *conn) error {
	if cn.dialect.replicas == "" {
		return nil
	}
	rows, err := cn.query(cn.dialect.replicas)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r[0] == fmt.Sprint(s.cfg.ServerID) && !strings.EqualFold(r[len(r)-1], replicaUUID(s.cfg.ServerID)) {
			return cdc.Errorf(codeServerID, cdc.TableID{}, "server id %d is used by the replica %s", s.cfg.ServerID, r[len(r)-1])
		}
	}
	return nil
}

// register makes us visible in SHOW REPLICAS.
func (s *Source) register(cn *conn) error {
	b := binary.LittleEndian.AppendUint32(nil, s.cfg.ServerID)
	b = append(b, byte(len("cdc2lake")))
	b = append(b, "cdc2lake"...)
	b = append(b, 0, 0)       // user, password
	b = append(b, 0, 0)       // port
	b = append(b, 0, 0, 0, 0) // rank
	b = append(b, 0, 0, 0, 0) // source id
	if err := sendCommand(cn.socket(), gomysql.COM_REGISTER_SLAVE, b); err != nil {
		return classify(err, "register as a replica")
	}
	cn.packets.reset()
	p, err := cn.packets.next()
	if err != nil {
		return classify(err, "register as a replica")
	}
	if p[0] == 0xff {
		return classify(parseError(p), "register as a replica")
	}
	return nil
}
