package dir_test

import (
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/archive/store/dir"
	"github.com/binlogproxy/binlogproxy/archive/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Everything, func(t testing.TB) store.Store {
		d, err := dir.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
}
