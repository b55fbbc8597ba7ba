package config

import (
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFileBytes bounds a configuration file; nothing sensible comes near it.
const maxFileBytes = 1 << 20

// maxDepth bounds the nesting of a file; the deepest key has four levels.
const maxDepth = 16

// decoder reads a file into a Config by hand: YAML libraries take too much for granted (an unknown key, a value of another
// type, a key given twice), and every complaint here needs the line and the full name of the key.
type decoder struct {
	problems *problems
	lines    map[string]int
	env      func(string) (string, bool)
}

// parse reads the YAML text on top of cfg.
func parse(text []byte, cfg *Config, p *problems, env func(string) (string, bool)) {
	if len(text) > maxFileBytes {
		p.add(0, "", fmt.Sprintf("the file has %d bytes, at most %d are read", len(text), maxFileBytes), "")
		return
	}
	file, line, err := parseYAML(text)
	if err != nil {
		p.add(line, "", "not valid YAML: "+err.Error(), "")
		return
	}
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if body != nil {
			p.add(doc.Body.GetToken().Position.Line, "", "a second document in the file", "keep one pipeline per file")
			return
		}
		body = doc.Body
	}
	if body == nil {
		p.add(0, "", "the file is empty", "write one with cdc2lake init")
		return
	}
	d := &decoder{problems: p, lines: map[string]int{}, env: env}
	d.node(body, reflect.ValueOf(cfg).Elem(), "", 0)
	cfg.lines = d.lines
}

// parseYAML returns the line of a syntax error. Of the library's error only the message is used: the full text quotes the
// lines around it, where a password may stand (and panics where there is no line). The parser itself is known to panic on
// some malformed files.
func parseYAML(text []byte) (file *ast.File, line int, err error) {
	defer func() {
		if r := recover(); r != nil {
			file, line, err = nil, 0, errors.New("the parser cannot make sense of it")
		}
	}()
	file, err = parser.ParseBytes(text, 0)
	if err == nil {
		return file, 0, nil
	}
	var se *yaml.SyntaxError
	if !errors.As(err, &se) {
		return nil, 0, errors.New(firstLine(err.Error()))
	}
	if se.Token != nil && se.Token.Position != nil {
		line = se.Token.Position.Line
	}
	return nil, line, errors.New(firstLine(se.Message))
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

func (d *decoder) node(n ast.Node, v reflect.Value, path string, depth int) {
	line := n.GetToken().Position.Line
	if depth > maxDepth {
		d.problems.add(line, path, "nested too deeply", "")
		return
	}
	switch x := n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode, *ast.DirectiveNode:
		d.problems.add(line, path, "anchors, aliases and tags are not supported", "write the value out")
		return
	case *ast.NullNode: // "key:" without a value is the same as no key
		return
	case *ast.MappingNode:
		d.mapping(x.Values, line, v, path, depth)
		return
	case *ast.MappingValueNode:
		d.mapping([]*ast.MappingValueNode{x}, line, v, path, depth)
		return
	case *ast.SequenceNode:
		if v.Kind() != reflect.Slice {
			d.problems.add(line, path, "a list, but "+kindOf(v)+" is expected", "")
			return
		}
		list := reflect.MakeSlice(v.Type(), len(x.Values), len(x.Values))
		for i, e := range x.Values {
			d.node(e, list.Index(i), fmt.Sprintf("%s[%d]", path, i), depth+1)
		}
		d.lines[path] = line
		v.Set(list)
		return
	}
	text, quoted, ok := scalar(n)
	if !ok {
		d.problems.add(line, path, "a value of a kind that is not supported", "")
		return
	}
	d.lines[path] = line
	text, err := expand(text, d.env)
	if err != nil {
		d.problems.add(line, path, err.Error(), "")
		return
	}
	if err := setScalar(v, text, quoted); err != nil {
		d.problems.add(line, path, err.Error(), "")
	}
}

func (d *decoder) mapping(values []*ast.MappingValueNode, line int, v reflect.Value, path string, depth int) {
	if v.Kind() != reflect.Struct || isText(v) {
		d.problems.add(line, path, "keys of its own, but "+kindOf(v)+" is expected", "")
		return
	}
	if path != "" {
		d.lines[path] = line
	}
	seen := map[string]bool{}
	for _, mv := range values {
		pos := mv.Key.GetToken().Position.Line
		name, _, ok := scalar(mv.Key)
		if !ok {
			d.problems.add(pos, path, "a key of a kind that is not supported", "")
			continue
		}
		full := join(path, name)
		field, ok := fieldOf(v, name)
		switch {
		case !ok:
			d.problems.add(pos, full, "unknown key", suggest(path, name, v.Type()))
		case seen[name]:
			d.problems.add(pos, full, "given twice", "")
		default:
			seen[name] = true
			d.node(mv.Value, field, full, depth+1)
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// scalar returns the text of a scalar as it stands in the file, and whether it is quoted.
func scalar(n ast.Node) (text string, quoted, ok bool) {
	switch x := n.(type) {
	case *ast.StringNode:
		tok := x.GetToken().Type.String()
		return x.Value, tok == "DoubleQuote" || tok == "SingleQuote", true
	case *ast.LiteralNode:
		return x.Value.Value, true, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, false, true
	}
	return "", false, false
}

// expand replaces ${NAME} by the environment's value; $${ stands for ${.
func expand(s string, env func(string) (string, bool)) (string, error) {
	var b strings.Builder
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), nil
		}
		if i > 0 && s[i-1] == '$' {
			b.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		name, rest, ok := strings.Cut(s[i+2:], "}")
		if !ok || name == "" {
			return "", errors.New("${ without a name and }")
		}
		v, ok := env(name)
		if !ok {
			return "", fmt.Errorf("the environment variable %s is not set", name)
		}
		b.WriteString(s[:i] + v)
		s = rest
	}
}

func isText(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	return ok
}

// setScalar sets a field of a scalar type from text.
func setScalar(v reflect.Value, text string, quoted bool) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" || quoted {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		v.SetInt(n)
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if err := setScalar(p.Elem(), text, quoted); err != nil {
			return err
		}
		v.Set(p)
	default:
		return fmt.Errorf("a single value, but %s is expected", kindOf(v))
	}
	return nil
}

func kindOf(v reflect.Value) string {
	switch {
	case v.CanAddr() && isText(v), v.Kind() == reflect.String, v.Kind() == reflect.Bool, v.Kind() == reflect.Int, v.Kind() == reflect.Int64, v.Kind() == reflect.Pointer:
		return "a single value"
	case v.Kind() == reflect.Slice:
		return "a list"
	default:
		return "keys of its own"
	}
}

func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if t := v.Type().Field(i).Tag.Get("yaml"); t != "" && t == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func osEnv(name string) (string, bool) { return os.LookupEnv(name) }
