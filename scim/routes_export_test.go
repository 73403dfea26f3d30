package scim

import (
	"strings"

	"github.com/gorilla/mux"
)

// RouteTable lists the routes of a server, as "METHOD /path", including those that are added later.
func RouteTable() (table []string, err error) {
	err = (&Server{}).routes().Walk(func(r *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := r.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := r.GetMethods()
		if err != nil { // any
			methods = []string{"GET"}
		}
		table = append(table, strings.Join(methods, ",")+" "+path)
		return nil
	})
	return table, err
}
