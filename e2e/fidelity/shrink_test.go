package fidelity

import (
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
)

func shrink(*testing.T, string, *testenv.MySQLServer, *prun) {}
