package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
)

// Read reads and checks a configuration file. The error lists everything that is wrong with it.
func Read(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		p := &problems{}
		p.add(0, "", err.Error(), "write a configuration with cdc2lake init, and name it with --config")
		return nil, p.err()
	}
	return Parse(path, text, osEnv)
}

// Parse checks the text of a configuration file; name stands for it in messages, env looks up ${NAME}.
func Parse(name string, text []byte, env func(string) (string, bool)) (*Config, error) {
	p := &problems{name: name}
	cfg := Defaults()
	cfg.name = name
	parse(text, cfg, p, env)
	if len(p.list) == 0 {
		cfg.check(p)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// FromFlags is the configuration of a first try without a file.
func FromFlags(pipeline, mysqlURL, warehouse string) (*Config, error) {
	cfg := Defaults()
	cfg.Version, cfg.Pipeline = Version, pipeline
	cfg.MySQL.URL = NewSecret(mysqlURL)
	cfg.Iceberg.Warehouse = warehouse
	cfg.HTTP.Listen = "127.0.0.1:0" // a first try should not fail because a port is in use; the log tells which one it is
	if v, ok := osEnv("MYSQL_PWD"); ok {
		if u, err := parseURL(mysqlURL); err == nil && u.password.IsZero() {
			cfg.MySQL.Password = NewSecret(v)
		}
	}
	p := &problems{}
	cfg.check(p)
	if err := p.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// Defaults returns a configuration with the defaults of Keys.
func Defaults() *Config {
	cfg := &Config{}
	for _, k := range Keys {
		if k.Default == "" {
			continue
		}
		v := reflect.ValueOf(cfg).Elem()
		for name := range strings.SplitSeq(k.Path, ".") {
			f, ok := fieldOf(v, name)
			if !ok {
				panic("config: the table has a key without a field: " + k.Path)
			}
			v = f
		}
		if err := setScalar(v, strings.Trim(k.Default, `"`), false); err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", k.Path, err))
		}
	}
	return cfg
}
