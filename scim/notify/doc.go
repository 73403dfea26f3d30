// Package notify notifies operators of conditions: once when a condition begins, once when it ends.
//
// It owns the conditions, the messages and the channels. What the server knows comes as Facts; the
// configuration file is read by package config, which asks Problems about each channel.
//
//	condition.go  Facts and the conditions that follow from them
//	channel.go    Channel, and the mistakes in one
//	message.go    the message about a condition
//	sender.go     Sender; HTTP calls to receivers
//	webhook.go    signed messages, as Standard Webhooks describes
//	slack.go      messages for an incoming webhook of Slack
//	email.go      messages by SMTP
//	logged.go     the log as a channel
//	outbox.go     Outbox: which messages follow from the conditions, in the store
//	deliver.go    attempts to send what the store has
//	run.go        Loop: observe and deliver until the end of a term
package notify
