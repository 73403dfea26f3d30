package access

import (
	"runtime"
	"runtime/metrics"
)

// memory bounds what a report leaves to the collector. Between two collections the heap of a program
// doubles: of a report of a million grants, which is mostly what is kept, that would be the larger
// part.
type memory struct {
	samples [1]metrics.Sample
	least   uint64 // the heap after the last collection
}

// mostGarbage is by how much the heap grows before it is collected.
const mostGarbage = 32 << 20

// bound is called after each page.
func (m *memory) bound() {
	m.samples[0].Name = "/memory/classes/heap/objects:bytes"
	metrics.Read(m.samples[:])
	used := m.samples[0].Value.Uint64()
	if m.least == 0 || used < m.least { // the first time, or the program has collected by itself
		m.least = used
	}
	if used < m.least+mostGarbage {
		return
	}
	runtime.GC()
	metrics.Read(m.samples[:])
	m.least = m.samples[0].Value.Uint64()
}
