package objstore_test

import (
	"testing"

	"github.com/cdc2lake/cdc2lake/internal/testenv"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testenv.Wrap(m)) }
