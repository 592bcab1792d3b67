#!/usr/bin/python3
"""One BitTorrent peer on libtorrent 2 (Debian: python3-libtorrent), set for speed on a fast network.

Options are key=value. Says {"event":"ready"} on stdout when it seeds, or when it only waits for a line on stdin to
begin (so that the start of Python is on nobody's clock), and {"event":"complete"} when all is there and verified.
Without stay=1 it then writes out what it still holds and ends.
"""
import os
import sys
import time

import libtorrent as lt

options = dict(each.split("=", 1) for each in sys.argv[1:])


def number(key, default):
    return int(options.get(key, default))


def say(event):
    print('{"event":"%s"}' % event, flush=True)


def wait_for(session, kind):
    while True:
        session.wait_for_alert(1000)
        if any(isinstance(alert, kind) for alert in session.pop_alerts()):
            return


def new_session():
    # The rate of both directions in bytes a second; 0 is none.
    cap = number("cap", 0)
    session = lt.session({
        "listen_interfaces": "%s:%s" % (options["host"], options["port"]),
        "outgoing_interfaces": options["host"],
        "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification,
        # Only the peers that it is told of, in plain TCP.
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_outgoing_utp": False, "enable_incoming_utp": False,
        "out_enc_policy": 2, "in_enc_policy": 2,  # disabled
        "allow_multiple_connections_per_ip": True, "connection_speed": 500,
        # No upload slots, deep queues and big buffers: what libtorrent's own high_performance_seed preset is after.
        "unchoke_slots_limit": -1, "allowed_fast_set_size": 0,
        "max_out_request_queue": number("queue", 1500), "max_allowed_in_request_queue": 3000,
        "request_queue_time": number("queue_seconds", 3),
        "send_buffer_watermark": number("watermark", 3 << 20), "send_buffer_low_watermark": number("watermark", 3 << 20) // 3,
        "send_buffer_watermark_factor": 150, "max_peer_recv_buffer_size": 5 << 20,
        "aio_threads": 4, "hashing_threads": 2, "max_queued_disk_bytes": 64 << 20, "tick_interval": 100,
        "upload_rate_limit": cap, "download_rate_limit": cap,
        "rate_limit_ip_overhead": False, "mixed_mode_algorithm": 0,
    })
    if cap:  # By default, local addresses are not limited.
        everyone = lt.ip_filter()
        everyone.add_rule("0.0.0.0", "255.255.255.255", 1 << lt.session.global_peer_class_id)
        session.set_peer_class_filter(everyone)
    return session


def parameters():
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(options["torrent"])
    params.save_path = options["folder"]
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    if number("seed", 0):
        # Told what it has. The flag seed_mode would hash each piece when it is first asked for.
        params.have_pieces = [True] * params.ti.num_pieces()
        params.flags |= lt.torrent_flags.no_verify_files
    return params


def main():
    if not number("seed", 0):
        say("ready")
        sys.stdin.readline()
    session = new_session()
    torrent = session.add_torrent(parameters())
    for peer in filter(None, options.get("peers", "").split(",")):
        host, port = peer.split(":")
        torrent.connect_peer((host, int(port)))
    if number("seed", 0):
        while not torrent.status().is_seeding:
            time.sleep(0.01)
        say("ready")
        time.sleep(1e6)
    wait_for(session, lt.torrent_finished_alert)
    say("complete")
    if number("stay", 0):
        time.sleep(1e6)
    torrent.flush_cache()
    wait_for(session, lt.cache_flushed_alert)
    os._exit(0)  # The orderly end would wait for trackers that do not exist.


main()
