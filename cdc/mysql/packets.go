package mysql

import (
	"encoding/binary"
	"errors"
	"io"
	"net"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

const (
	// blockBytes is how much is read from the socket at once: large enough that a system call per block does not
	// count, small enough that a few of them stay in the cache.
	blockBytes = 256 << 10
	// maxPart is the length of a packet that another one continues.
	maxPart = 1<<24 - 1
	// maxPacket bounds a reassembled packet: max_allowed_packet ends at 1 GiB, and an event adds headers.
	maxPacket = 1<<30 + 1<<20
)

// block is a run of complete packets as they came from the socket: each 3 bytes length, 1 byte sequence, payload. If
// whole is set, it is instead the payload of one packet that came in several parts.
type block struct {
	data  []byte
	whole bool
	buf   []byte // owns data; given back to the framer's user
}

// next cuts the first packet off the block; ok is false at its end.
func (b *block) next() (payload []byte, ok bool) {
	if len(b.data) == 0 {
		return nil, false
	}
	if b.whole {
		p := b.data
		b.data = nil
		return p, true
	}
	n := int(b.data[0]) | int(b.data[1])<<8 | int(b.data[2])<<16
	p := b.data[4 : 4+n : 4+n]
	b.data = b.data[4+n:]
	return p, true
}

// framer cuts a byte stream into blocks of complete packets, reading as much at once as the socket has.
type framer struct {
	r    io.Reader
	rest []byte // bytes of an incomplete packet, left from the block before
	seq  byte
	part int // maxPart; less in tests
	max  int
}

func newFramer(r io.Reader) *framer { return &framer{r: r, part: maxPart, max: maxPacket} }

// read fills buf (grown where a packet needs it) and returns the next block. The block's memory is buf's.
// io.EOF means that the stream ended between packets.
func (f *framer) read(buf []byte) (block, error) {
	buf = append(buf[:0], f.rest...)
	f.rest = f.rest[:0]
	if cap(buf) < blockBytes {
		b := make([]byte, len(buf), blockBytes)
		copy(b, buf)
		buf = b
	}
	for {
		blk, rest, need, err := f.cut(buf)
		if err != nil {
			return block{}, err
		}
		if len(blk.data) > 0 || blk.whole {
			f.rest = append(f.rest[:0], rest...)
			blk.buf = buf
			return blk, nil
		}
		if cap(buf) < need || len(buf) == cap(buf) {
			b := make([]byte, len(buf), max(need, min(2*cap(buf), f.max+2*blockBytes)))
			copy(b, buf)
			buf = b
		}
		n, err := f.r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if n == 0 && err != nil {
			if errors.Is(err, io.EOF) && len(buf) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return block{}, err
		}
	}
}

// cut finds the complete packets at the start of buf. If there are none, need is the capacity that the first one
// needs as far as is known. A packet of several parts is a block of its own.
func (f *framer) cut(buf []byte) (blk block, rest []byte, need int, err error) {
	pos := 0
	for len(buf)-pos >= 4 {
		n := int(buf[pos]) | int(buf[pos+1])<<8 | int(buf[pos+2])<<16
		if n == f.part {
			if pos > 0 {
				break // hand on what stands before it first
			}
			return f.cutLong(buf)
		}
		if len(buf)-pos < 4+n {
			need = 4 + n
			break
		}
		if buf[pos+3] != f.seq {
			return block{}, nil, 0, protocolError("packet %d where %d was expected", buf[pos+3], f.seq)
		}
		f.seq++
		pos += 4 + n
	}
	return block{data: buf[:pos]}, buf[pos:], need, nil
}

// cutLong joins the parts of the packet at the start of buf once all of them are there.
func (f *framer) cutLong(buf []byte) (block, []byte, int, error) {
	pos, total, seq := 0, 0, f.seq
	for {
		if len(buf)-pos < 4 {
			return block{}, nil, pos + 4, nil
		}
		n := int(buf[pos]) | int(buf[pos+1])<<8 | int(buf[pos+2])<<16
		if buf[pos+3] != seq {
			return block{}, nil, 0, protocolError("packet %d where %d was expected", buf[pos+3], seq)
		}
		if total += n; total > f.max {
			return block{}, nil, 0, protocolError("a packet of more than %d bytes", f.max)
		}
		if len(buf)-pos < 4+n {
			return block{}, nil, pos + 4 + n, nil
		}
		seq++
		pos += 4 + n
		if n < f.part {
			break
		}
	}
	f.seq = seq
	w := 0
	for r := 0; r < pos; {
		n := int(buf[r]) | int(buf[r+1])<<8 | int(buf[r+2])<<16
		copy(buf[w:], buf[r+4:r+4+n])
		w += n
		r += 4 + n
	}
	return block{data: buf[:w], whole: true}, buf[pos:], 0, nil
}

// packetReader reads packets one by one in the calling goroutine; for the answers to our own statements.
type packetReader struct {
	f   *framer
	blk block
	buf []byte
}

func newPacketReader(r io.Reader) *packetReader { return &packetReader{f: newFramer(r)} }

// reset prepares for the answer to a new command.
func (p *packetReader) reset() { p.f.seq = 1 }

// next returns the next packet; it is valid until the call after.
func (p *packetReader) next() ([]byte, error) {
	for {
		if b, ok := p.blk.next(); ok {
			if len(b) == 0 {
				return nil, protocolError("an empty packet")
			}
			return b, nil
		}
		p.buf = p.blk.buf
		if cap(p.buf) > 4*blockBytes {
			p.buf = nil // a huge row should not keep its buffer for ever
		}
		var err error
		if p.blk, err = p.f.read(p.buf); err != nil {
			p.blk = block{}
			return nil, err
		}
	}
}

// take gives f the packets that are there already, as they stand in memory. It returns how many bytes of whole packets it took.
func (p *packetReader) take(f func(packets []byte) (int, error)) error {
	if p.blk.whole {
		return nil
	}
	n, err := f(p.blk.data)
	p.blk.data = p.blk.data[n:]
	return err
}

// sendCommand writes one command packet; commands of ours are far below the length that needs parts.
func sendCommand(c net.Conn, command byte, body []byte) error {
	if len(body)+1 >= maxPart {
		return protocolError("a command of %d bytes", len(body))
	}
	p := make([]byte, 5, 5+len(body))
	binary.LittleEndian.PutUint32(p, uint32(len(body)+1))
	p[4] = command
	_, err := c.Write(append(p, body...))
	return err
}

// parseError decodes an ERR packet (first byte 0xff).
func parseError(p []byte) error {
	if len(p) < 3 {
		return protocolError("a short error packet")
	}
	e := &gomysql.MyError{Code: binary.LittleEndian.Uint16(p[1:])}
	msg := p[3:]
	if len(msg) >= 6 && msg[0] == '#' {
		e.State = string(msg[1:6])
		msg = msg[6:]
	}
	e.Message = string(msg)
	return e
}
