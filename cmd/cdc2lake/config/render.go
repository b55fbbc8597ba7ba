package config

import (
	"fmt"
	"strings"
)

// InitFile is the commented file that `cdc2lake init` writes. A # that no blank follows stands before a key
// that is at its default, or an example.
func InitFile() string {
	var b strings.Builder
	b.WriteString("# Configuration of cdc2lake. docs/configuration.md says more; unknown keys are refused.\n" +
		"# ${NAME} stands for an environment variable; secrets can also be file:/path.\n" +
		"# Remove the # from a key such as #level to change it, and from the section above it.\n")
	var open []string // the sections that the last key was in
	for i, k := range Keys {
		parts := strings.Split(k.Path, ".")
		sections, name := parts[:len(parts)-1], parts[len(parts)-1]
		same := 0
		for same < len(sections) && same < len(open) && sections[same] == open[same] {
			same++
		}
		if same == 0 {
			b.WriteString("\n")
			if s := Sections[parts[0]]; s != "" {
				comment(&b, "", s)
			}
		}
		indent := strings.Repeat("  ", same+lists(sections[:same]))
		for j := same; j < len(sections); j++ {
			b.WriteString(indent + mark(!anyInit(i, strings.Join(sections[:j+1], "."))) + strings.TrimSuffix(sections[j], "[]") + ":\n")
			indent += "  "
			if strings.HasSuffix(sections[j], "[]") {
				indent += "  "
			}
		}
		comment(&b, indent, k.Doc)
		value := k.Init
		if value == "" {
			value = k.Default
		}
		if value == "" {
			value = k.Example
		}
		at, item := indent, ""
		if len(sections) > 0 && strings.HasSuffix(sections[len(sections)-1], "[]") && same < len(sections) {
			at, item = indent[2:], "- "
		}
		b.WriteString(at + mark(k.Init == "") + item + name + ": " + value + "\n")
		open = sections
	}
	return b.String()
}

func mark(commented bool) string {
	if commented {
		return "#"
	}
	return ""
}

func lists(sections []string) int {
	n := 0
	for _, s := range sections {
		if strings.HasSuffix(s, "[]") {
			n++
		}
	}
	return n
}

// anyInit reports whether a key below the section is written uncommented.
func anyInit(from int, section string) bool {
	for _, k := range Keys[from:] {
		if strings.HasPrefix(k.Path, section+".") && k.Init != "" {
			return true
		}
	}
	return false
}

// comment writes text as comment lines of at most 120 columns.
func comment(b *strings.Builder, indent, text string) {
	line := ""
	for w := range strings.FieldsSeq(text) {
		if line != "" && len(indent)+2+len(line)+1+len(w) > 120 {
			b.WriteString(indent + "# " + line + "\n")
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	b.WriteString(indent + "# " + line + "\n")
}

// Markdown renders docs/configuration.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("<!-- generated from cmd/cdc2lake/config/keys.go by `make docs`; do not edit -->\n# Configuration\n\n" +
		"`cdc2lake init` writes a commented file; `cdc2lake run --config pipeline.yaml` runs it, after checking all of it: an unknown key, a value\n" +
		"that cannot be used and settings that contradict each other are refused with their line. `cdc2lake check` then connects to everything.\n\n" +
		"- `${NAME}` in a value stands for an environment variable, which must be set; `$${` is a literal `${`.\n" +
		"- Secrets (`mysql.url`, `mysql.password`, `iceberg.catalog.uri`, `token`, `credential`, `s3.secret_key`, `session_token`,\n" +
		"  `tables.hash_salt`, `http.token`) can also be\n" +
		"  `file:/path`. They are never printed or stored. The file of `mysql.password` is read again at every connect.\n" +
		"- Sizes have units (`KiB`, `MiB`, `GiB`, `KB`, `MB`, `GB`), durations too (`ms`, `s`, `m`, `h`).\n" +
		"- Without a file: `cdc2lake run --mysql mysql://USER@HOST/DATABASE --warehouse file:///DIR`, with the password in `MYSQL_PWD` or in the URL.\n")
	section := "-"
	for _, k := range Keys {
		s, name, ok := strings.Cut(k.Path, ".")
		if !ok {
			s, name = "", k.Path
		}
		if s != section {
			section = s
			if s != "" {
				fmt.Fprintf(&b, "\n## %s\n\n%s\n", s, Sections[s])
			}
			b.WriteString("\n| key | default | meaning |\n|---|---|---|\n")
		}
		def := "–"
		if k.Default != "" {
			def = "`" + k.Default + "`"
		}
		doc := strings.ReplaceAll(k.Doc, "|", `\|`)
		if k.Example != "" {
			doc += " Example: `" + k.Example + "`."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, def, doc)
	}
	return b.String()
}
