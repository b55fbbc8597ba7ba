package config

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// mysqlURL is what mysql://user:password@host:port/database says.
type mysqlURL struct {
	host, user, database string
	port                 int
	password             Secret
}

// parseURL reads a MySQL URL. Its errors never quote the URL, which may hold a password.
func parseURL(s string) (mysqlURL, error) {
	var out mysqlURL
	if strings.Contains(s, "@tcp(") {
		return out, errors.New("this is the notation of a Go driver; write mysql://user:password@host:port/database")
	}
	u, err := url.Parse(s)
	if err != nil {
		return out, errors.New("not a valid URL such as mysql://user@host:port/database; characters like @ / # ? % in a password are written as %40 %2F %23 %3F %25")
	}
	if u.Scheme != "mysql" || u.Host == "" || u.Opaque != "" {
		return out, errors.New("not a URL such as mysql://user@host:port/database")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return out, errors.New("options after ? are not read from the URL; use the keys of the section mysql")
	}
	out.host, out.port = u.Hostname(), 3306
	if p := u.Port(); p != "" {
		if out.port, err = strconv.Atoi(p); err != nil || out.port < 1 || out.port > 65535 {
			return out, errors.New("the port is not a number from 1 to 65535")
		}
	}
	if out.host == "" {
		return out, errors.New("no host")
	}
	out.user = u.User.Username()
	if out.user == "" {
		return out, errors.New("no user: write mysql://user@host:port")
	}
	if pw, ok := u.User.Password(); ok {
		out.password = NewSecret(pw)
	}
	out.database = strings.Trim(u.Path, "/")
	if strings.Contains(out.database, "/") {
		return out, errors.New("more than a database after the host")
	}
	return out, nil
}
