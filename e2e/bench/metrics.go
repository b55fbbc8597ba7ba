package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"sort"
	"strconv"
	"strings"
)

// metrics are the samples of one scrape, by name with labels.
type metrics map[string]float64

// client asks for nothing compressed: that would be CPU of the measured process.
var client = &http.Client{Transport: &http.Transport{DisableCompression: true}}

func scrape(ctx context.Context, url string) (metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New("metrics: " + resp.Status)
	}
	return parseMetrics(resp.Body)
}

// parseMetrics reads Prometheus' text format.
func parseMetrics(r io.Reader) (metrics, error) {
	m := metrics{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || line[0] == '#' {
			continue
		}
		v, err := strconv.ParseFloat(line[i+1:], 64)
		if err != nil {
			return nil, errors.New("metrics: " + line)
		}
		m[line[:i]] = v
	}
	return m, lines.Err()
}

// sum adds up the series of a family whose labels hold all the given texts.
func (m metrics) sum(name string, labels ...string) (total float64) {
next:
	for k, v := range m {
		if rest, ok := strings.CutPrefix(k, name); !ok || rest != "" && rest[0] != '{' {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(k, l) {
				continue next
			}
		}
		total += v
	}
	return total
}

// puts counts the requests that stores charge as PUT.
func (m metrics) puts() (n float64) {
	for _, op := range []string{"put", "put_if_absent", "put_if_match", "create_upload", "upload_part", "complete_upload"} {
		n += m.sum("cdc2lake_store_requests_total", `operation="`+op+`"`)
	}
	return n
}

// quantile of a histogram between two scrapes, interpolated in its bucket as Prometheus does. NaN: no observations.
func quantile(q float64, from, to metrics, name string, labels ...string) float64 {
	at := map[float64]float64{}
	for k := range to {
		_, rest, ok := strings.Cut(k, `le="`)
		if !ok || !strings.HasPrefix(k, name+"_bucket{") {
			continue
		}
		le, _, _ := strings.Cut(rest, `"`)
		bound, err := strconv.ParseFloat(le, 64)
		if err != nil {
			continue
		}
		match := true
		for _, l := range labels {
			match = match && strings.Contains(k, l)
		}
		if match {
			at[bound] += to[k] - from[k]
		}
	}
	var bounds []float64
	for b := range at {
		bounds = append(bounds, b)
	}
	sort.Float64s(bounds)
	if len(bounds) == 0 || at[bounds[len(bounds)-1]] == 0 {
		return math.NaN()
	}
	rank := q * at[bounds[len(bounds)-1]]
	low, below := 0.0, 0.0
	for _, b := range bounds {
		if at[b] >= rank {
			if math.IsInf(b, 1) {
				return low
			}
			return low + (b-low)*(rank-below)/(at[b]-below)
		}
		low, below = b, at[b]
	}
	return low
}
