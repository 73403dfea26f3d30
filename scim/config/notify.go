package config

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/scimbridge/scimbridge/scim/notify"
)

// Channel is a way by which operators are notified. Package notify says what its keys must be.
type Channel struct {
	Kind     string `yaml:"kind"`
	Name     string `yaml:"name"`
	URL      Secret `yaml:"url"`
	Secret   Secret `yaml:"secret"`
	Host     string `yaml:"host"`
	Port     int    `yaml:"port"`
	From     string `yaml:"from"`
	To       Names  `yaml:"to"`
	Username string `yaml:"username"`
	Password Secret `yaml:"password"`
	Outgoing `yaml:",inline"`
	On       []string `yaml:"on"`
}

// Channels returns the channels with their names and secrets. The configuration was checked.
func (c *Config) Channels() ([]notify.Channel, error) {
	var out []notify.Channel
	for i, one := range c.Notify {
		channel, key, err := one.channel(i)
		if err != nil {
			return nil, fmt.Errorf("notify.%d.%s: %w", i, key, err)
		}
		out = append(out, channel)
	}
	return out, nil
}

// channel returns a channel with its secrets. Without a name it is called after its kind and place.
// An error is about the key.
func (c Channel) channel(place int) (out notify.Channel, key string, err error) {
	out = notify.Channel{Name: c.Name, Kind: c.Kind, On: c.On, Mail: notify.Mail{Host: c.Host, Port: c.Port, From: c.From, To: c.To, Username: c.Username}}
	if out.Name == "" {
		out.Name = fmt.Sprintf("%s-%d", c.Kind, place+1)
	}
	if out.URL, err = c.URL.Value(); err != nil {
		return out, "url", err
	}
	if out.Secret, err = c.Secret.Value(); err != nil {
		return out, "secret", err
	}
	if out.Mail.Password, err = c.Password.Value(); err != nil {
		return out, "password", err
	}
	out.Way, err = c.Connection()
	return out, "ca_file", err
}

// checkChannels finds the mistakes in the channels.
func checkChannels(v *validation, all []Channel) {
	names := map[string]bool{}
	for i, c := range all {
		at := func(key ...string) []string { return append([]string{"notify", strconv.Itoa(i)}, key...) }
		if c.Name != "" && !plainName.MatchString(c.Name) {
			v.bad(at("name"), "a name is 1 to 64 letters, digits, dots, dashes and underscores")
		}
		for key, s := range map[string]Secret{"url": c.URL, "secret": c.Secret, "password": c.Password} {
			if s.Literal() {
				v.warn(at(key), "is written in the file; prefer env:NAME or file:/path")
			}
		}
		channel, key, err := c.channel(i)
		if names[channel.Name] {
			v.bad(at("name"), "%q is the name of another channel", channel.Name)
		}
		names[channel.Name] = true
		v.outgoing(at, c.Outgoing)
		if err != nil && key != "ca_file" {
			v.wrong(at(key), err)
			continue
		}
		v.mistakes(slices.Clone(at()), notify.Problems(channel))
	}
}
