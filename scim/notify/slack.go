package notify

import (
	"context"
	"encoding/json"
	"strings"
)

// slack sends messages to an incoming webhook of Slack.
type slack struct{ poster }

// Send implements Sender.
func (s *slack) Send(ctx context.Context, m Message) error {
	d := m.Payload.Data
	plain := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'").Replace
	body, err := json.Marshal(map[string]string{"text": "*" + plain(m.Payload.Type) + "* " + plain(d.Text) + "\nNext: `" + plain(d.Command) + "`"})
	if err != nil {
		return err
	}
	return s.post(ctx, body, nil)
}
