package fidelity

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// fcase is one case of the corpus. In a file it begins with "-- case: name"; the lines that follow it may be
//
//	-- about: what it is about
//	-- session: SET …                    what every session begins with
//	-- expect: refused CODE…             all ways; or with ways: "log,split refused CODE"
//	-- may: refused CODE…                the same for what is refused in some of the cases of a "for", or of the ways
//	-- only: load                        ways it makes sense in
//	-- servers: mariadb                  it is for this server only (or mysql); what MariaDB does not understand of the others is listed (foreignFile)
//	-- readers: pyiceberg,duckdb         readers that can read it; all of them if it is not said
//	-- wrong: what                       a fault that is known; the case fails all the same
//	-- stops: CODE                       what follows the load ends the whole service: runs as load only
//	-- format: 3                         formats for which the line below it counts (default: both)
//	-- for: x = a | b | c                one case for each: {x} in the statements is replaced, {x} in the name by its letters
//
// and then statements, each ending with a semicolon at the end of a line. "-- then" parts setup from what comes after the
// load, "-- log" ends what the way log does before the load (without it: the CREATEs at the beginning), and "-- session"
// alone goes on in a new session. {db} is the case's database, {tmp} a folder of the server's.
type fcase struct {
	name, about, file string
	session           []string
	only, readers     []string
	server            string   // mysql or mariadb; empty: all
	foreign           []string // errors of the server's with which it does not apply there
	expect            []expectation
	batch             int    // cases of a batch share a pipeline
	stops             string // a code
	wrong             string // what is known to be wrong
	setup, then       []string
	split             int // index in setup at which the way log begins
}

// expectation is a refusal of the product that the corpus knows of.
type expectation struct {
	ways   []string
	format int // 0: both
	codes  []string
	may    bool
}

const newSession = "\x00session" // a statement of its own

var ways = []string{"load", "log", "split"}

func (c *fcase) runs(way string) bool { return len(c.only) == 0 || contains(c.only, way) }

// refusals returns the codes with which tables may be refused, and whether one of them has to be.
func (c *fcase) refusals(way string, format int) (out []string, must bool) {
	for _, e := range c.expect {
		if (len(e.ways) == 0 || contains(e.ways, way)) && (e.format == 0 || e.format == format) {
			out = append(out, e.codes...)
			must = must || !e.may
		}
	}
	return out, must
}

func (c *fcase) database(way string) string { return fmt.Sprintf("%s%d_%s", way, c.batch, c.name) }

// parts returns what is executed before and after the initial load.
func (c *fcase) parts(way string) (before, after []string) {
	switch way {
	case "load":
		return append(append(append([]string{}, c.setup...), newSession), c.then...), nil
	case "log":
		return c.setup[:c.split], append(append(append([]string{}, c.setup[c.split:]...), newSession), c.then...)
	default:
		return c.setup, c.then
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// refusedFile lists refusals of single values of a "for", which no line in the case can name: a case and its codes in each line.
// For MariaDB there is a second one.
const refusedFile = "cases/refused.txt"

func refusedFor(server string) string {
	if server == "mariadb" {
		return "cases/refused_mariadb.txt"
	}
	return refusedFile
}

// foreignFile lists the cases that do not apply to a server, and the numbers of the errors with which it says so: most are MySQL's own
// statements. A case that is listed must fail so, and no other may.
func foreignFile(server string) string { return "cases/inapplicable_" + server + ".txt" }

// readList reads a file with a case and words about it in each line.
func readList(file string) (map[string][]string, error) {
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	out := map[string][]string{}
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.Fields(line); len(f) > 1 {
			out[f[0]] = f[1:]
		}
	}
	return out, nil
}

// addToList adds to such a file.
func addToList(file string, more map[string][]string) error {
	all, err := readList(file)
	if err != nil || len(more) == 0 {
		return err
	}
	for name, words := range more {
		for _, w := range words {
			if !contains(all[name], w) {
				all[name] = append(all[name], w)
			}
		}
	}
	var lines []string
	for name, words := range all {
		sort.Strings(words)
		lines = append(lines, name+" "+strings.Join(words, " ")+"\n")
	}
	sort.Strings(lines)
	return os.WriteFile(file, []byte(strings.Join(lines, "")), 0o644)
}

// corpus reads all cases for a server whose name contains the filter.
func corpus(filter *regexp.Regexp, server string) ([]*fcase, error) {
	files, err := filepath.Glob("cases/*.sql")
	if err != nil {
		return nil, err
	}
	refused, err := readList(refusedFile)
	if err != nil {
		return nil, err
	}
	more := map[string][]string{}
	if server != "mysql" {
		if more, err = readList(refusedFor(server)); err != nil {
			return nil, err
		}
	}
	foreign, err := readList(foreignFile(server))
	if err != nil {
		return nil, err
	}
	var out []*fcase
	seen := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		for i, section := range strings.Split("\n"+string(text), "\n-- case: ") {
			if i == 0 {
				if strings.Contains(section, ";\n") {
					return nil, fmt.Errorf("%s: statements before the first case", f)
				}
				continue
			}
			cases, err := expand(filepath.Base(f), section)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f, err)
			}
			for _, c := range cases {
				if seen[c.name] || len(c.name) > 55 || !validName.MatchString(c.name) {
					return nil, fmt.Errorf("%s: case %q: named twice, too long, or not in lower-case letters", f, c.name)
				}
				seen[c.name] = true
				c.foreign = foreign[c.name]
				if codes := append(refused[c.name], more[c.name]...); len(codes) > 0 {
					c.expect = append(c.expect, expectation{codes: codes, may: true})
				}
				if len(c.foreign) > 0 && c.server != "" {
					return nil, fmt.Errorf("%s says that %s does not apply, which is for %s only", foreignFile(server), c.name, c.server)
				}
				if filter.MatchString(c.name) && (c.server == "" || c.server == server) {
					out = append(out, c)
				}
			}
		}
	}
	for name := range foreign {
		if !seen[name] && !strings.HasPrefix(name, "charset_") {
			return nil, fmt.Errorf("%s: there is no case %s", foreignFile(server), name)
		}
	}
	return out, nil
}

var (
	validName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	forLine   = regexp.MustCompile(`(?m)^-- for: (\w+) = (.*)\n`)
	notLetter = regexp.MustCompile(`[^a-z0-9]+`)
)

// expand replaces the "-- for" lines by their values, the first outermost.
func expand(file, section string) ([]*fcase, error) {
	m := forLine.FindStringSubmatchIndex(section)
	if m == nil {
		c, err := parse(file, section)
		if err != nil {
			return nil, err
		}
		return []*fcase{c}, nil
	}
	name, values := "{"+section[m[2]:m[3]]+"}", section[m[4]:m[5]]
	rest := section[:m[0]] + section[m[1]:]
	var out []*fcase
	used := map[string]bool{}
	for i, v := range strings.Split(values, " | ") {
		v = strings.TrimSpace(v)
		head, body, _ := strings.Cut(rest, "\n")
		letters := notLetter.ReplaceAllString(strings.ToLower(v), "_")
		letters = strings.Trim(letters[:min(len(letters), 36)], "_")
		if used[letters] || letters == "" { // different in what is no letter
			letters = strings.Trim(fmt.Sprintf("%s_%d", letters, i), "_")
		}
		used[letters] = true
		head = strings.ReplaceAll(head, name, letters)
		more, err := expand(file, head+"\n"+strings.ReplaceAll(body, name, v))
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

func parse(file, section string) (*fcase, error) {
	name, body, _ := strings.Cut(section, "\n")
	c := &fcase{name: strings.TrimSpace(name), file: file, split: -1}
	to, format := &c.setup, 0
	var statement []string
	for _, line := range strings.Split(body, "\n") {
		key, value, isMeta := strings.Cut(strings.TrimPrefix(line, "-- "), ": ")
		switch {
		case len(statement) > 0 && !strings.HasPrefix(line, "-- ") || len(statement) == 0 && line != "" && !strings.HasPrefix(line, "-- "):
			statement = append(statement, line)
			if strings.HasSuffix(line, ";") {
				*to = append(*to, strings.TrimSuffix(strings.Join(statement, "\n"), ";"))
				statement = nil
			}
		case line == "":
		case line == "-- then":
			to = &c.then
		case line == "-- log":
			c.split = len(c.setup)
		case line == "-- session":
			*to = append(*to, newSession)
		case isMeta && key == "about":
			c.about = value
		case isMeta && key == "session":
			c.session = append(c.session, strings.TrimSuffix(value, ";"))
		case isMeta && key == "only":
			c.only = strings.Split(value, ",")
		case isMeta && key == "servers":
			c.server = value
		case isMeta && key == "wrong":
			c.wrong = value
		case isMeta && key == "stops":
			c.stops, c.only = value, []string{"load"}
		case isMeta && key == "readers":
			c.readers = strings.Split(value, ",")
		case isMeta && key == "format":
			if _, err := fmt.Sscan(value, &format); err != nil {
				return nil, fmt.Errorf("%s: %s", c.name, line)
			}
		case isMeta && (key == "expect" || key == "may"):
			w, codes, ok := strings.Cut(" "+value, " refused ")
			if !ok {
				return nil, fmt.Errorf("%s: %s", c.name, line)
			}
			e := expectation{codes: strings.Fields(codes), format: format, may: key == "may"}
			if w = strings.TrimSpace(w); w != "" {
				e.ways = strings.Split(w, ",")
			}
			c.expect = append(c.expect, e)
			format = 0
		default:
			return nil, fmt.Errorf("%s: not understood: %s", c.name, line)
		}
	}
	if len(statement) > 0 {
		return nil, fmt.Errorf("%s: a statement without an end: %s", c.name, statement[0])
	}
	if c.split < 0 {
		for c.split = 0; c.split < len(c.setup); c.split++ {
			if w := strings.ToUpper(strings.Fields(c.setup[c.split])[0]); w != "CREATE" && w != "SET" {
				break
			}
		}
	}
	return c, nil
}
