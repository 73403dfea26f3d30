package console

import (
	"errors"
	"net/http"
)

// ErrBusy is what Console.Live returns while another comparison lasts.
var ErrBusy = errors.New("another comparison with the vendors is under way; try again when it has ended")

// live compares every backend with what its vendor has now. It takes as long as the vendors do.
func (c lists) live(w http.ResponseWriter, r *http.Request) {
	if !withoutDeadline(w) {
		return
	}
	all, err := c.Live(r.Context())
	switch {
	case errors.Is(err, ErrBusy):
		refuse(w, http.StatusConflict, err.Error())
	case err != nil:
		refuse(w, http.StatusServiceUnavailable, "the comparison failed: "+err.Error())
	default:
		answer(w, http.StatusOK, all)
	}
}
