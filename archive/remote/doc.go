// Package remote reads objects of a store as files: ranged reads that are pinned to
// one content of the object, read ahead for who reads on and on, cached in memory
// and on disk, and shared by all readers of a process.
//
// An object is cut into blocks: the first HeadSize bytes, which is all that opening
// a binlog file needs, and behind them blocks that end at multiples of BlockSize.
// A fetch is one GET of blocks that follow each other; it fills them in order, and
// readers are given their bytes as these arrive.
//
//	File.ReadAt ─▶ Cache (memory ─▶ disk) ─▶ fetch ─▶ store.Get
//
// What the package promises:
//
//   - ReadAt gives the bytes of the object that the reader is pinned to, or an error;
//     never those of another object, and never of two.
//   - Bytes are as the store sends them. Who knows better, by an event's checksum or an
//     index, calls File.Forget and reads again before it speaks of damage.
//   - A block is fetched once for however many readers, and again only after it was
//     evicted from memory and disk, or found damaged on the disk.
//   - Memory is bounded by CacheOptions.Memory for any number of readers and any size
//     of objects, and the cache's files by their limit at every moment.
//   - A cache disk that is full, fails or lies costs requests, never an answer.
//
// One mutex, Cache.mu, guards all state; it is never held during input, output or a
// wait. Whoever holds a buffer never waits for a second one, so that the buffers in
// use always come back.
package remote
