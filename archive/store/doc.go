// Package store is the object storage that an archive is kept in, behind one small
// interface, and what can be built on any implementation of it: writes that are
// sure of their outcome (Swap, FinishUpload), retrying (Retry), and the proof that
// a store keeps its promises (Probe).
//
// Implementations: package s3 for S3-compatible services, package dir for a plain
// directory. Package open chooses one by URL; package storetest has the tests that
// each must pass.
//
// What every implementation promises:
//
//   - A write that has returned without an error is durable, and every later read
//     and listing of any client sees it.
//   - An object is never seen in part: it is there with all its bytes, or not.
//   - Of several writers with a condition that only one can meet, one wins.
//   - Bytes that do not have the sum sent with them are refused.
//   - An error of a write leaves its outcome open, unless it says otherwise: see
//     Temporary, ErrCondition.
//
// Secrets are in no error and in no text of this package.
package store
