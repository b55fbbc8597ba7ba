package config

import (
	"fmt"
	"sort"
	"strings"

	"github.com/cdc2lake/cdc2lake/cdc"
)

// problems collects what is wrong with a configuration, so that one run tells all of it.
type problems struct {
	name string // of the file
	list []problem
}

type problem struct {
	line           int
	path, msg, fix string
}

func (p *problems) add(line int, path, msg, fix string) {
	p.list = append(p.list, problem{line, path, msg, fix})
}

// err returns one Error for all problems, or nil.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	sort.SliceStable(p.list, func(i, j int) bool { return p.list[i].line < p.list[j].line })
	var msgs, fixes []string
	for _, x := range p.list {
		where := p.name
		if x.line > 0 {
			where += fmt.Sprintf(":%d", x.line)
		}
		s := x.msg
		if x.path != "" {
			s = x.path + ": " + s
		}
		if where != "" {
			s = where + ": " + s
		}
		msgs = append(msgs, s)
		if x.fix != "" {
			fixes = append(fixes, x.fix)
		}
	}
	return &cdc.Error{Code: CodeConfig, Msg: strings.Join(msgs, "\n"), Fix: strings.Join(fixes, "\n")}
}
