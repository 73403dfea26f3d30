package riskcloud

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxInList is the largest number of users or roles in a list.
const maxInList = 500_000

var errPage = errors.New("not a list")

// page is a list, or one page of it. It is read element by element: an answer may be far too large.
type page[T any] struct {
	keep func(T) bool // false: this is another kind of list

	plain    bool // an array without pages
	content  []T
	elements int
	number   *int
	last     *bool
	counts
	page counts
	size int    // bytes
	sum  []byte // digest of all of it
}

// read reads the page, to the end of the answer.
func (p *page[T]) read(from io.Reader) error {
	sum := sha256.New()
	dec := json.NewDecoder(io.TeeReader(from, sum))
	begin, err := dec.Token()
	if err != nil {
		return fmt.Errorf("reading a page: %w", err)
	}
	switch begin {
	case json.Delim('['):
		p.plain = true
		err = p.list(dec)
	case json.Delim('{'):
		err = p.object(dec)
	default:
		err = errPage
	}
	if err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errPage
	}
	p.size, p.sum = int(dec.InputOffset()), sum.Sum(nil)
	return nil
}

// list reads the elements of an array that has begun.
func (p *page[T]) list(dec *json.Decoder) error {
	p.content, p.elements = []T{}, 0
	for dec.More() {
		var v T
		if err := dec.Decode(&v); err != nil {
			return fmt.Errorf("reading an element: %w", err)
		}
		if p.elements++; p.elements > maxInList || !p.keep(v) {
			return errPage
		}
		p.content = append(p.content, v)
	}
	_, err := dec.Token()
	return err
}

// object reads a page that has begun. Of a key that is there twice the last one counts.
func (p *page[T]) object(dec *json.Decoder) error {
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fmt.Errorf("reading a page: %w", err)
		}
		name, _ := key.(string)
		if err := p.attribute(dec, strings.ToLower(name)); err != nil {
			return err
		}
	}
	if p.content == nil {
		return errPage
	}
	_, err := dec.Token()
	return err
}

func (p *page[T]) attribute(dec *json.Decoder, name string) error {
	var to any
	switch name {
	case "content":
		begin, err := dec.Token()
		if err == nil && begin != json.Delim('[') {
			err = errPage
		}
		if err != nil {
			return err
		}
		return p.list(dec)
	case "number":
		to = &p.number
	case "last":
		to = &p.last
	case "totalpages":
		to = &p.Pages
	case "totalelements":
		to = &p.Elements
	case "page":
		to = &p.page
	default:
		return skip(dec)
	}
	if err := dec.Decode(to); err != nil {
		return fmt.Errorf("reading %s of a page: %w", name, err)
	}
	return nil
}

// skip passes over a value.
func skip(dec *json.Decoder) error {
	for depth := 0; ; {
		t, err := dec.Token()
		if err != nil {
			return fmt.Errorf("passing over a value: %w", err)
		}
		switch t {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}
