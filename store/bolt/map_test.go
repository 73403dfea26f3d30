package bolt

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// If a file outgrows its map, bbolt waits for every reader: the map must be larger than any file.
func TestMap(t *testing.T) {
	t.Run("its sizes fit the platform", func(t *testing.T) {
		for _, test := range []struct {
			goos    string
			largest int64
			want    []int
		}{
			{"linux", 1<<31 - 1, []int{1 << 30, 0}},
			{"windows", 1<<63 - 1, []int{1 << 30, 0}},
		} {
			if got := mapSizes(test.goos, test.largest); !slices.Equal(got, test.want) {
				t.Errorf("%s, %d: %v", test.goos, test.largest, got)
			}
		}
	})
	if runtime.GOOS != "linux" || strconv.IntSize < 64 { // the rest reads the maps of a process on Linux
		return
	}
	t.Run("it is large", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "store.db")
		mustOpen(t, path)
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(maps)) {
			if !strings.Contains(line, path) {
				continue
			}
			from, to, _ := strings.Cut(strings.Fields(line)[0], "-")
			begin, err := strconv.ParseUint(from, 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			end, err := strconv.ParseUint(to, 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			if end-begin < 8<<30 {
				t.Errorf("the file has a map of %d bytes", end-begin)
			}
			return
		}
		t.Error("the file has no map")
	})
}
