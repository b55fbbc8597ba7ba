package binlog

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory of decompression: the window of zstd's highest level.
const maxWindow = 128 << 20

// payloadReader decompresses transactions. Events are read one by one; their claimed sizes are not trusted: memory grows
// as data arrives.
type payloadReader struct {
	zstd *zstd.Decoder
	src  bytes.Reader
	buf  []byte
	ev   Event
}

// transaction reads a TRANSACTION_PAYLOAD event: fields of type, length, value (1 is the payload's size, 2 the
// compression, 3 the uncompressed size, which is only a hint), ended by type 0; then the payload.
func (d *Decoder) transaction(outer *Event, b []byte) error {
	compression := uint64(0xff)
	size := uint64(0)
	for {
		typ, n := lenenc(b)
		if n == 0 {
			return d.bad(outer, errShortEvent)
		}
		b = b[n:]
		if typ == 0 {
			break
		}
		length, n := lenenc(b)
		if n == 0 || length > uint64(len(b)-n) {
			return d.bad(outer, errShortEvent)
		}
		value := b[n : n+int(length)]
		b = b[n+int(length):]
		if typ == 1 || typ == 2 {
			v, k := lenenc(value)
			if k == 0 {
				return d.bad(outer, errShortEvent)
			}
			if typ == 1 {
				size = v
			} else {
				compression = v
			}
		}
	}
	if size != uint64(len(b)) {
		return d.bad(outer, errors.New("the size of the compressed transaction is wrong"))
	}
	p := &d.payload
	p.src.Reset(b)
	var r io.Reader = &p.src
	switch compression {
	case 0:
		if p.zstd == nil {
			var err error
			if p.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeBuffersBelow(0)); err != nil {
				return d.bad(outer, err)
			}
		}
		if err := p.zstd.Reset(&p.src); err != nil {
			return d.bad(outer, err)
		}
		r = p.zstd
	case 0xff:
	default:
		return d.bad(outer, errors.New("compression "+uintText(compression)+" is not known"))
	}
	end, size32, timestamp := outer.End, outer.Size, outer.Timestamp
	for {
		ev, err := p.next(r)
		if err == io.EOF { //nolint:errorlint // bare: the clean end between two events, and nothing that wraps it
			return nil
		}
		if err != nil {
			return d.bad(&Event{Type: TransactionPayloadEvent, End: end}, err)
		}
		e := &d.ev
		e.header(ev)
		e.End, e.Size, e.Nested = end, size32, true
		if e.Timestamp == 0 {
			e.Timestamp = timestamp
		}
		if e.Type == FormatDescriptionEvent {
			return d.bad(e, errors.New("a format description within a transaction"))
		}
		if err := d.dispatch(e, ev[headerSize:]); err != nil {
			return err
		}
	}
}

// payloadStep is how much of an event is read before more memory is taken.
const payloadStep = 1 << 20

// next reads an event; it is valid until the next call. Events inside a payload carry no checksum.
func (p *payloadReader) next(r io.Reader) ([]byte, error) {
	if cap(p.buf) < 4096 {
		p.buf = make([]byte, 4096)
	}
	b := p.buf[:headerSize]
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err // io.EOF at the end
	}
	size := int(p.ev.header(b))
	if size < headerSize || size > maxEvent {
		return nil, errShortEvent
	}
	for len(b) < size {
		n := min(size, max(cap(b), len(b)+payloadStep))
		if n > cap(b) {
			grown := make([]byte, len(b), max(n, min(size, 2*cap(b))))
			copy(grown, b)
			b = grown
		}
		from := len(b)
		b = b[:n]
		if _, err := io.ReadFull(r, b[from:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	p.buf = b
	if cap(b) > 4*payloadStep {
		p.buf = nil // one large event must not hold its memory
	}
	return b, nil
}

func (p *payloadReader) close() {
	if p.zstd != nil {
		p.zstd.Close()
		p.zstd = nil
	}
}

func uintText(u uint64) string { return strconv.FormatUint(u, 10) }
