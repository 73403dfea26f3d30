package notify

import (
	"context"
	"log/slog"
)

// ToLog is the channel that writes conditions to the log. It is always there.
func ToLog(log *slog.Logger) Open {
	return Open{Channel{Name: "(log)", Kind: "log"}, logged{log}}
}

// logged writes messages to the log: the begin of a condition at WARN, its end at INFO.
type logged struct{ log *slog.Logger }

// Send implements Sender.
func (l logged) Send(ctx context.Context, m Message) error {
	d, level, text := m.Payload.Data, slog.LevelWarn, "condition begun: "
	if d.State == Ended {
		level, text = slog.LevelInfo, "condition "
	}
	args := []any{"condition", d.Key, "since", d.Since, "next", d.Command}
	for key, value := range map[string]string{"backend": d.Backend, "id": d.ID, "reason": d.Reason, "idp": d.Of} {
		if value != "" {
			args = append(args, key, value)
		}
	}
	if d.Count > 0 {
		args = append(args, "count", d.Count)
	}
	l.log.Log(ctx, level, text+d.Text, args...)
	return nil
}
