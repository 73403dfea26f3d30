package console

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/scimbridge/scimbridge/mapping/reason"
)

// TestMonitoringPage holds docs/operations/monitoring.md to the metrics: it has a row for each, with
// its labels, and each of its rows is one.
func TestMonitoringPage(t *testing.T) {
	described := make(chan *prometheus.Desc)
	go func() {
		m := NewMetrics(nil, nil)
		m.Channels(nil, nil)
		m.registry.Describe(described)
		close(described)
	}()
	exported, shown := []string{"scimbridge_log_dropped_total"}, []string{} // the first is of serve
	desc := regexp.MustCompile(`fqName: "(scimbridge_\w+)".*variableLabels: \{(.*)\}\}`)
	for d := range described {
		if m := desc.FindStringSubmatch(d.String()); m != nil {
			exported = append(exported, series(m[1], m[2]))
		}
	}
	row := regexp.MustCompile("(?m)^\\| `(scimbridge_\\w+)(?:\\{(.*)\\})?` \\|")
	for _, m := range row.FindAllStringSubmatch(page(t, "monitoring.md"), -1) {
		shown = append(shown, series(m[1], m[2]))
	}
	slices.Sort(exported)
	slices.Sort(shown)
	if !slices.Equal(exported, shown) {
		t.Errorf("the page has\n%s\nthe metrics are\n%s", strings.Join(shown, "\n"), strings.Join(exported, "\n"))
	}
}

// TestAlertsPage holds docs/operations/alerts.md to itself and to the metrics: each alert has a
// section, and asks for a metric that there is.
func TestAlertsPage(t *testing.T) {
	text, metrics := page(t, "alerts.md"), page(t, "monitoring.md")
	alerts := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(text, -1)
	for _, m := range alerts {
		if !strings.Contains(text, "\n## "+m[1]+"\n") {
			t.Errorf("docs/operations/alerts.md has no section %s", m[1])
		}
	}
	for _, name := range regexp.MustCompile(`scimbridge_\w+`).FindAllString(text, -1) {
		if !strings.Contains(metrics, "`"+strings.TrimSuffix(name, "_bucket")) {
			t.Errorf("docs/operations/alerts.md asks for %s, which docs/operations/monitoring.md does not have", name)
		}
	}
	if len(alerts) == 0 {
		t.Error("docs/operations/alerts.md has no alert")
	}
}

// TestRunbooks holds docs/operations/runbooks.md to the reasons of a block: it has a section for each.
func TestRunbooks(t *testing.T) {
	text := page(t, "runbooks.md")
	for _, r := range reason.Blocks() {
		if !strings.Contains(text, "\n## "+r.Code+"\n") {
			t.Errorf("docs/operations/runbooks.md has no section %s", r.Code)
		}
	}
}

// series names a metric with its labels in their order.
func series(name, labels string) string {
	all := strings.Split(labels, ",")
	slices.Sort(all)
	return strings.TrimSuffix(name+"{"+strings.Join(all, ",")+"}", "{}")
}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
