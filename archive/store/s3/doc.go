// Package s3 is a store in a bucket of an S3-compatible service, on minio-go's Core:
// one request a call (but for Head of what is missing), no retries of its own, a sum with
// every body.
//
// What it adds to the protocol, because servers differ:
//
//   - A copied part must have the ETag of its original: some servers take the
//     original's sum on trust.
//   - The ETag of a completed upload must be the one that follows from its parts'.
//   - Conditions are sent with the completion of an upload; those sent at its
//     creation are ignored by most.
//
// Credentials come from the standard AWS chain and are looked for again when the
// store does not know them any more.
package s3
