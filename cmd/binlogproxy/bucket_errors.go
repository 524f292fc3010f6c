package main

import (
	"errors"

	"github.com/binlogproxy/binlogproxy/archive"
	"github.com/binlogproxy/binlogproxy/archive/bucket"
	"github.com/binlogproxy/binlogproxy/archive/store"
)

// Kinds by which errors of copying into the bucket are counted.
const (
	kindAnotherWriter = "another_writer"
	kindHistory       = "history"    // bucket and log contradict each other
	kindDamage        = "damage"     // what the bucket has is not what it must be
	kindConditions    = "conditions" // the store ignores them
	kindCredentials   = "credentials"
	kindDenied        = "denied"
	kindNoBucket      = "no_bucket"
	kindRegion        = "region"
	kindClock         = "clock"
	kindDisk          = "disk"      // ours
	kindTemporary     = "temporary" // network, overload, a lost answer
	kindOther         = "other"
)

var bucketErrorKinds = []string{
	kindAnotherWriter, kindHistory, kindDamage, kindConditions, kindCredentials, kindDenied,
	kindNoBucket, kindRegion, kindClock, kindDisk, kindTemporary, kindOther,
}

// bucketErrorKind puts err under one of the kinds.
func bucketErrorKind(err error) string {
	switch exitCode(err) {
	case exitFenced:
		return kindAnotherWriter
	case exitHistory:
		return kindHistory
	case exitDamage:
		return kindDamage
	}
	for _, of := range []struct {
		err  error
		kind string
	}{
		{bucket.ErrAgain, kindAnotherWriter}, {store.ErrBadSum, kindDamage}, {store.ErrIgnoresConditions, kindConditions},
		{store.ErrCredentials, kindCredentials}, {store.ErrDenied, kindDenied}, {store.ErrNoBucket, kindNoBucket},
		{store.ErrWrongRegion, kindRegion}, {store.ErrClockSkew, kindClock},
		{store.ErrTemporary, kindTemporary}, {store.ErrUncertain, kindTemporary},
	} {
		if errors.Is(err, of.err) {
			return of.kind
		}
	}
	if disk := (*archive.DiskError)(nil); errors.As(err, &disk) {
		return kindDisk
	}
	return kindOther
}

// bucketErrors is what copying a source tells its errors. All kinds are shown from the
// beginning on, so that the first error is a rise.
func (m *metrics) bucketErrors(source string) func(error) {
	for _, kind := range bucketErrorKinds {
		m.bucket.WithLabelValues(source, kind)
	}
	return func(err error) { m.bucket.WithLabelValues(source, bucketErrorKind(err)).Inc() }
}
