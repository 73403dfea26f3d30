package list

import (
	"bytes"
	"fmt"

	"github.com/scimbridge/scimbridge/scim/message"
	"github.com/scimbridge/scimbridge/scim/query"
	"github.com/scimbridge/scimbridge/store"
)

// add writes a resource to the page and records its position.
func (l *listing) add(e entry) error {
	if l.n++; l.n > 1 {
		l.out.WriteByte(',')
	}
	if l.query.Paged {
		l.last = query.Position{Kind: e.kind}
		if l.byName() {
			l.last.Name = store.Fold(e.name())
		} else {
			var err error
			if l.last.Place, err = l.dir.Place(e.id()); err != nil {
				return err
			}
		}
	}
	if err := e.write(&l.out); err != nil {
		return err
	}
	if l.n > 1 && l.out.Len() > maxAnswer {
		return message.TooMany("the page is too large: ask for fewer resources with count, or leave members out with excludedAttributes=members")
	}
	return nil
}

// body returns the ListResponse.
func (l *listing) body() []byte {
	var head bytes.Buffer
	head.WriteString(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"]`)
	if l.counted {
		fmt.Fprintf(&head, `,"totalResults":%d`, l.total)
	}
	if !l.query.Paged {
		fmt.Fprintf(&head, `,"startIndex":%d`, l.query.Start)
	}
	fmt.Fprintf(&head, `,"itemsPerPage":%d`, l.n)
	if l.next != "" {
		fmt.Fprintf(&head, `,"nextCursor":%q`, l.next)
	}
	head.WriteString(`,"Resources":[`)
	head.Write(l.out.Bytes())
	head.WriteString("]}")
	return head.Bytes()
}
