package measure

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// memoryOf returns the memory of a process as the kernel counts it: resident now, resident at most,
// and without pages of files; 0 if unknown.
func memoryOf(pid int) (now, peak, own int64) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, 0, 0
	}
	return kilobytes(data, "VmRSS:"), kilobytes(data, "VmHWM:"), kilobytes(data, "RssAnon:")
}

// cpuOf returns the CPU time of a process, in its own code and in the kernel; 0 if unknown.
func cpuOf(pid int) time.Duration {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), ") ") // after the name, which may hold anything
	fields, ticks := strings.Fields(rest), int64(0)
	for _, at := range []int{11, 12} { // utime and stime, in hundredths of a second
		if at < len(fields) {
			n, _ := strconv.ParseInt(fields[at], 10, 64) // a number, by proc(5)
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func machineMemory() int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	return kilobytes(data, "MemTotal:")
}

// kilobytes finds a line such as "VmRSS:    1234 kB".
func kilobytes(data []byte, name string) int64 {
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
