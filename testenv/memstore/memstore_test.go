package memstore_test

import (
	"testing"

	"github.com/binlogproxy/binlogproxy/archive/store"
	"github.com/binlogproxy/binlogproxy/archive/store/storetest"
	"github.com/binlogproxy/binlogproxy/testenv/memstore"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, memstore.Capabilities, func(testing.TB) store.Store { return memstore.New(0) })
}

// What was forgotten cannot be read, and all else of it is known.
func TestLargeBodiesAreForgotten(t *testing.T) {
	ctx, s := t.Context(), memstore.New(3)
	for key, body := range map[string]string{"small": "abc", "large": "abcd"} {
		if _, err := s.Put(ctx, key, []byte(body), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Get(ctx, "small", store.Range{}); err != nil {
		t.Error(err)
	}
	if _, err := s.Get(ctx, "large", store.Range{}); err == nil {
		t.Error("a forgotten body was read")
	}
	if o, err := s.Head(ctx, "large"); err != nil || o.Size != 4 || !o.HasCRC {
		t.Errorf("%+v, %v", o, err)
	}
}
