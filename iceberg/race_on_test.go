//go:build race

package iceberg

// raceEnabled: the race detector allocates, and slows everything down ten times.
const raceEnabled = true
