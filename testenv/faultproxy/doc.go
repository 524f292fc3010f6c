// Package faultproxy is a TCP proxy that spoils connections: it cuts them after
// so many bytes or before the n-th MySQL packet, delays, throttles or stalls
// them, in either direction, and can be told otherwise while they run.
//
// Without faults it passes bytes and half-closes on as they come.
package faultproxy
