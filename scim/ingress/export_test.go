package ingress

// Remembered is how many addresses the limits on requests know.
func (d *Ingress) Remembered() int { return len(d.requests.young) + len(d.requests.old) }
