package iceberg

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"

	iceberggo "github.com/apache/iceberg-go"
)

// Manifests and manifest lists are Avro containers, whose headers hold an Avro schema as text. iceberg-go builds and parses that schema anew
// for every file, which costs as much as some hundred entries. The text depends on the format and on the partition type
// only: it is asked for once, and headers are put together from it.

// avroSchemas are schemas as they stand in headers, by what they are of.
var avroSchemas sync.Map

// avroSchemaOf returns the schema under a name, from a container that write makes when it is not known.
func avroSchemaOf(name string, write func(io.Writer) error) ([]byte, error) {
	if s, ok := avroSchemas.Load(name); ok {
		return s.([]byte), nil
	}
	var buf bytes.Buffer
	if err := write(&buf); err != nil {
		return nil, err
	}
	meta, err := avroMetadata(buf.Bytes())
	if err != nil {
		return nil, err
	}
	s := meta["avro.schema"]
	if len(s) == 0 || string(meta["avro.codec"]) != "deflate" {
		return nil, fmt.Errorf("iceberg-go writes an Avro header that is not understood")
	}
	s = bytes.Clone(s)
	avroSchemas.Store(name, s)
	return s, nil
}

const avroMagic = "Obj\x01"

// appendAvroHeader appends a container's header, up to the sync marker.
//
//	magic "Obj" 1
//	map of string to bytes: a block of long n, then n times (long length, key; long length, value), then long 0
func appendAvroHeader(b []byte, meta map[string][]byte) []byte {
	b = append(b, avroMagic...)
	b = binary.AppendVarint(b, int64(len(meta)))
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		b = appendAvroBytes(b, k)
		b = appendAvroBytes(b, meta[k])
	}
	return append(b, 0)
}

func appendAvroBytes[T string | []byte](b []byte, v T) []byte {
	b = binary.AppendVarint(b, int64(len(v)))
	return append(b, v...)
}

// avroMetadata reads the metadata of a container's header.
func avroMetadata(b []byte) (map[string][]byte, error) {
	meta, n := readAvroHeader(b)
	if n == 0 {
		return nil, errors.New("not an Avro header that is understood")
	}
	return meta, nil
}

// avroHeaderLen is the length of a header that is sound, up to the sync marker.
func avroHeaderLen(b []byte) int {
	_, n := readAvroHeader(b)
	return n
}

// readAvroHeader returns a header's metadata and its length, which is 0 for what is no header.
func readAvroHeader(b []byte) (map[string][]byte, int) {
	if !bytes.HasPrefix(b, []byte(avroMagic)) {
		return nil, 0
	}
	r := &avroValues{b: b[len(avroMagic):]}
	out := map[string][]byte{}
	r.items(func() { k := string(r.bytes()); out[k] = r.bytes() })
	if r.bad || len(r.b) < syncBytes {
		return nil, 0
	}
	return out, len(b) - len(r.b)
}

// manifestSchemaOf is the Avro schema of a manifest.
func manifestSchemaOf(version int, spec iceberggo.PartitionSpec, sc *iceberggo.Schema) ([]byte, error) {
	return avroSchemaOf("manifest "+strconv.Itoa(version)+" "+spec.PartitionType(sc).String(), func(w io.Writer) error {
		m, err := iceberggo.NewManifestWriter(version, w, spec, sc, 1)
		if err == nil {
			if err = m.Close(); errors.Is(err, iceberggo.ErrEmptyManifest) {
				err = nil
			}
		}
		return err
	})
}

// manifestHeaderOf is the header of a manifest as iceberg-go writes it, up to the sync marker, but for the order of the metadata.
func manifestHeaderOf(version int, content iceberggo.ManifestContent, spec iceberggo.PartitionSpec, sc *iceberggo.Schema) ([]byte, error) {
	avro, err := manifestSchemaOf(version, spec, sc)
	if err != nil {
		return nil, err
	}
	schema, err := json.Marshal(sc)
	if err != nil {
		return nil, err
	}
	fields := []iceberggo.PartitionField{}
	for _, f := range spec.Fields() {
		fields = append(fields, f)
	}
	specFields, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	return appendAvroHeader(make([]byte, 0, len(avro)+len(schema)+len(specFields)+256), map[string][]byte{
		"avro.schema":       avro,
		"avro.codec":        []byte("deflate"),
		"schema":            schema,
		"schema-id":         strconv.AppendInt(nil, int64(sc.ID), 10),
		"partition-spec":    specFields,
		"partition-spec-id": strconv.AppendInt(nil, int64(spec.ID()), 10),
		"format-version":    strconv.AppendInt(nil, int64(version), 10),
		"content":           []byte(content.String()),
	}), nil
}
