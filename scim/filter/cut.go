package filter

// CutPath reads a path, as [ParsePath] does, from the beginning of s and returns what follows it: a
// list of paths has commas within the filters, too. The error is an *[Error].
func CutPath(s string) (rest string, err error) {
	if err := checkLimits(s); err != nil {
		return "", err
	}
	p := parser{in: s}
	p.skipSpace()
	if _, err := p.path(); err != nil {
		return "", err
	}
	return p.in[p.pos:], nil
}
