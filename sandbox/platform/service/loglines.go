package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// logLines writes count lines with the messages "prefix 1" to "prefix count", at `rate` lines a second (0: as fast as can
// be), each message padded to `bytes`, at `level`. It answers when all are written, or stops when the client has gone.
func (s *Service) logLines(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	count, err := strconv.Atoi(query.Get("count"))
	if err != nil || count < 1 {
		answer(w, http.StatusBadRequest, map[string]string{"error": "count: write the number of lines"})
		return
	}
	rate, _ := strconv.ParseFloat(query.Get("rate"), 64)
	bytes, _ := strconv.Atoi(query.Get("bytes"))
	var level slog.Level
	_ = level.UnmarshalText([]byte(query.Get("level"))) // info, when it is nothing known
	start, written := time.Now(), 0
	for ; written < count && r.Context().Err() == nil; written++ {
		if rate > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(float64(written) / rate * float64(time.Second)))))
		}
		message := fmt.Sprintf("%s %d", query.Get("prefix"), written+1)
		if missing := bytes - len(message) - 1; missing > 0 {
			message += " " + strings.Repeat("x", missing)
		}
		s.log.Log(r.Context(), level, message)
	}
	answer(w, http.StatusOK, map[string]any{"lines": written, "seconds": time.Since(start).Seconds()})
}

// logRaw writes the body to stdout as it is: any text, one line or many.
func (s *Service) logRaw(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	if len(body) > 0 && body[len(body)-1] != '\n' {
		body = append(body, '\n')
	}
	_, _ = s.out.Write(body)
	answer(w, http.StatusOK, map[string]int{"bytes": len(body)})
}

// logPanic writes a genuine panic with its stack, many lines of plain text as Go prints them, and survives it.
func (s *Service) logPanic(w http.ResponseWriter, _ *http.Request) {
	defer func() {
		reason := recover()
		_, _ = fmt.Fprintf(s.out, "panic: %v\n\n%s", reason, debug.Stack())
		answer(w, http.StatusOK, map[string]string{"panic": fmt.Sprint(reason)})
	}()
	var nothing []int
	_ = nothing[len(nothing)]
}
