package mapping

import "regexp/syntax"

// manyRunes is the size from which a class of characters counts as "anything".
const manyRunes = 1000

// Open says whether an expression begins or ends with anything at all, so that the author of group names chooses that part. It
// is false for an expression that is not valid.
func Open(match string) bool {
	re, err := syntax.Parse(match, syntax.Perl)
	if err != nil {
		return false
	}
	first, _ := open(re, false)
	last, _ := open(re, true)
	return first || last
}

// open says whether an end of re can be any character, and whether re may be empty, so that the next part is the end.
func open(re *syntax.Regexp, last bool) (any, empty bool) {
	switch re.Op {
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true, false
	case syntax.OpCharClass:
		n := 0
		for i := 0; i+1 < len(re.Rune); i += 2 {
			n += int(re.Rune[i+1]-re.Rune[i]) + 1
		}
		return n >= manyRunes, false
	case syntax.OpStar, syntax.OpQuest:
		any, _ = open(re.Sub[0], last)
		return any, true
	case syntax.OpRepeat:
		any, empty = open(re.Sub[0], last)
		return any, empty || re.Min == 0
	case syntax.OpPlus, syntax.OpCapture:
		return open(re.Sub[0], last)
	case syntax.OpAlternate:
		for _, s := range re.Sub {
			a, e := open(s, last)
			any, empty = any || a, empty || e
		}
		return any, empty
	case syntax.OpConcat:
		for i := range re.Sub {
			if last {
				i = len(re.Sub) - 1 - i
			}
			a, e := open(re.Sub[i], last)
			if any = any || a; any || !e {
				return any, false
			}
		}
		return any, true
	case syntax.OpLiteral:
		return false, false
	}
	return false, true // what matches the empty string: anchors and boundaries
}
