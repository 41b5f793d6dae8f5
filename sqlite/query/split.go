package query

import (
	"slices"
	"strings"
)

// Split returns the statements in sql, in their order, without the semicolons that end them. Each
// has the comments that stand before it. A piece of nothing but space and comments is no statement.
func Split(sql string) []string {
	var statements []string
	for sql != "" {
		var statement string
		statement, sql, _ = Next(sql)
		if statement != "" {
			statements = append(statements, statement)
		}
	}
	return statements
}

// Next returns the first statement in sql without its semicolon, and what follows the semicolon. If
// there is no statement, but only space and comments, statement is empty. Complete reports whether a
// semicolon ended the statement; if it is false, the statement may go on, and rest is empty.
//
// A semicolon ends no statement inside a string, a quoted name, a comment, or the body of CREATE
// TRIGGER.
func Next(sql string) (statement, rest string, complete bool) {
	var s scanner
	for i := 0; i < len(sql); {
		n, kind := token(sql[i:])
		if kind == tokenSemicolon && s.ends() {
			if s.empty() {
				sql, i, s = sql[i+n:], 0, scanner{}
				continue
			}
			return strings.TrimSpace(sql[:i]), sql[i+n:], true
		}
		s.see(sql[i:i+n], kind)
		i += n
	}
	if s.empty() {
		return "", "", false
	}
	return strings.TrimSpace(sql), "", false
}

type tokenKind int

const (
	tokenSpace tokenKind = iota // and comments
	tokenSemicolon
	tokenWord
	tokenOther
)

// token returns the length and the kind of the token that s begins with.
func token(s string) (int, tokenKind) {
	switch c := s[0]; {
	case strings.IndexByte(" \t\n\f\r", c) >= 0:
		return 1, tokenSpace
	case c == ';':
		return 1, tokenSemicolon
	case strings.HasPrefix(s, "--"):
		return through(s, 2, "\n"), tokenSpace
	case strings.HasPrefix(s, "/*"):
		return through(s, 2, "*/"), tokenSpace
	case c == '[':
		return through(s, 1, "]"), tokenOther
	case c == '\'' || c == '"' || c == '`': // a doubled quote is the end of one and the begin of another
		return through(s, 1, s[:1]), tokenOther
	case isWord(c):
		n := 1
		for n < len(s) && isWord(s[n]) {
			n++
		}
		return n, tokenWord
	}
	return 1, tokenOther
}

// through returns the length of s through the first end at or after from, or that of s.
func through(s string, from int, end string) int {
	i := strings.Index(s[from:], end)
	if i < 0 {
		return len(s)
	}
	return from + i + len(end)
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// scanner knows of one statement whether it creates a trigger, and whether that ends.
type scanner struct {
	words   []string // the first words, in upper case, as long as they may begin CREATE TRIGGER
	other   bool     // something that is no such word was seen
	trigger bool
	body    int // in a trigger: 1 after a semicolon, 2 after "; END", else 0
}

func (s *scanner) empty() bool { return len(s.words) == 0 && !s.other }

// ends reports whether a semicolon ends the statement. In a trigger it is noted.
func (s *scanner) ends() bool {
	if !s.trigger || s.body == 2 {
		return true
	}
	s.body = 1
	return false
}

func (s *scanner) see(text string, kind tokenKind) {
	if kind == tokenSpace || kind == tokenSemicolon {
		return
	}
	word := strings.ToUpper(text)
	if s.trigger {
		if s.body == 1 && word == "END" {
			s.body = 2
		} else {
			s.body = 0
		}
		return
	}
	if s.other || kind != tokenWord {
		s.other = true
		return
	}
	switch word {
	case "EXPLAIN", "QUERY", "PLAN", "CREATE", "TEMP", "TEMPORARY":
		s.words = append(s.words, word)
	case "TRIGGER":
		s.trigger = slices.Contains(s.words, "CREATE")
		s.other = true
	default:
		s.other = true
	}
}

// Terminated returns a statement with the semicolon that ends it. A comment at its end stays one: a
// line, or the end of the comment, comes between.
func Terminated(statement string) string {
	between := ""
	for rest := statement; rest != ""; {
		n, _ := token(rest)
		switch last := rest[:n]; {
		case strings.HasPrefix(last, "--") && !strings.HasSuffix(last, "\n"):
			between = "\n"
		case strings.HasPrefix(last, "/*") && (n < len("/**/") || !strings.HasSuffix(last, "*/")):
			between = "*/"
		}
		rest = rest[n:]
	}
	return statement + between + ";"
}
