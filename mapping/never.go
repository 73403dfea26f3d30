package mapping

import "regexp/syntax"

// Never says that an expression matches no name: something stands before its beginning, behind its end, or nothing fits a part of
// it. It is false where that is not certain, and for an expression that is not valid.
func Never(match string) bool {
	re, err := syntax.Parse(match, syntax.Perl)
	return err == nil && never(re.Simplify())
}

func never(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpNoMatch:
		return true
	case syntax.OpCharClass:
		return len(re.Rune) == 0
	case syntax.OpCapture, syntax.OpPlus:
		return never(re.Sub[0])
	case syntax.OpAlternate:
		for _, s := range re.Sub {
			if !never(s) {
				return false
			}
		}
		return true
	case syntax.OpConcat:
		written, ended := false, false
		for _, s := range re.Sub {
			switch {
			case never(s), s.Op == syntax.OpBeginText && written, ended && takes(s):
				return true
			}
			written = written || takes(s)
			ended = ended || s.Op == syntax.OpEndText
		}
	}
	return false
}

// takes says whether a part matches at least one character in every case.
func takes(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral, syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return true
	case syntax.OpCapture, syntax.OpPlus:
		return takes(re.Sub[0])
	case syntax.OpConcat:
		for _, s := range re.Sub {
			if takes(s) {
				return true
			}
		}
	case syntax.OpAlternate:
		for _, s := range re.Sub {
			if !takes(s) {
				return false
			}
		}
		return true
	}
	return false
}
