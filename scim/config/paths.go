package config

import (
	"path/filepath"
	"reflect"
	"strings"
)

// resolvePaths makes relative paths start at the folder of the configuration file, so that every
// command finds the same files from any folder. A file below /dev or /proc, such as a pipe, has no
// folder of its own; its paths start at the working directory.
func (c *Config) resolvePaths(file string) {
	dir := filepath.Dir(file)
	if strings.HasPrefix(dir, "/dev") || strings.HasPrefix(dir, "/proc") {
		return
	}
	if c.Store.KeyFile == "" && c.Store.Driver == DriverPostgres {
		c.Store.KeyFile = postgresKeyFile
	}
	c.Store.Path = under(dir, c.Store.Path)
	resolve(reflect.ValueOf(c).Elem(), "", dir)
}

// under returns a path that starts at dir unless it is absolute or empty.
func under(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// resolve walks over a value and resolves secrets that name files and every key that ends in _file.
func resolve(v reflect.Value, key, dir string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			resolve(v.Elem(), key, dir)
		}
	case reflect.Slice:
		for i := range v.Len() {
			resolve(v.Index(i), key, dir)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			one := reflect.New(v.Type().Elem()).Elem() // what a map holds cannot be changed in place
			one.Set(v.MapIndex(k))
			resolve(one, k.String(), dir)
			v.SetMapIndex(k, one)
		}
	case reflect.String:
		if strings.HasSuffix(key, "_file") {
			v.SetString(under(dir, v.String()))
		}
	case reflect.Struct:
		if s, ok := v.Addr().Interface().(*Secret); ok {
			s.resolve(dir)
			return
		}
		for i := range v.NumField() {
			name, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			if name != "" && name != "-" || option == "inline" {
				resolve(v.Field(i), name, dir)
			}
		}
	}
}

// resolve makes the relative path of a file start at dir.
func (s *Secret) resolve(dir string) {
	if path, ok := strings.CutPrefix(s.source, "file:"); ok && path != "" {
		s.source = "file:" + under(dir, path)
	}
}
