package archive

import "time"

func init() { sealTime = time.Minute }

// SetSealTime lets Close go on with the sealing for so long, until restore.
func SetSealTime(d time.Duration) (restore func()) {
	old := sealTime
	sealTime = d
	return func() { sealTime = old }
}
