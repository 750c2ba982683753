#!/usr/bin/env python3
"""Many watches over many objects: what the server spends, and that every watch is told of every write in order.

    python3 bench/watches.py --kubeconfig K --pid PID [--objects 10000] [--watches 200] [--selected 0]

Opens the watches (so many of them with a label selector that nothing fits), creates ConfigMaps one after the other, waits
until every watch has seen the last one. CPU time and memory are the server's; the wall time contains this script, which
takes what the watches send."""
import argparse
import asyncio
import base64
import json
import os
import re
import ssl
import time

VERSION = re.compile(rb'"resourceVersion":"(\d+)"')
PATH = '/api/v1/namespaces/default/configmaps'


def cpu(pid):
    with open(f'/proc/{pid}/stat') as file:
        parts = file.read().rsplit(')', 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf('SC_CLK_TCK')


def memory(pid, key):
    with open(f'/proc/{pid}/status') as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1024


class Server:
    def __init__(self, kubeconfig):
        with open(kubeconfig) as file:
            text = file.read()
        find = lambda key: re.search(key + r':\s*"?([^\s"]+)', text).group(1)
        self.host, port = find('server').removeprefix('https://').rsplit(':', 1)
        self.port, self.token = int(port), find('token')
        authority = base64.b64decode(find('certificate-authority-data')).decode()
        self.tls = ssl.create_default_context(cadata=authority)
        self.tls.check_hostname = False

    async def connect(self):
        return await asyncio.open_connection(self.host, self.port, ssl=self.tls, limit=1 << 24)

    def head(self, method, path, length=0):
        return (f'{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\n'
                f'Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n').encode()


async def call(server, stream, method, path, body=b''):
    reader, writer = stream
    writer.write(server.head(method, path, len(body)) + body)
    head = await reader.readuntil(b'\r\n\r\n')
    length = int(re.search(rb'(?i)content-length: (\d+)', head).group(1))
    return int(head.split()[1]), await reader.readexactly(length)


async def follow(server, path, wanted, opened):
    reader, writer = await server.connect()
    writer.write(server.head('GET', path))
    await reader.readuntil(b'\r\n\r\n')
    opened.release()
    seen, last, rest = 0, 0, b''
    while seen < wanted:
        chunk = await reader.read(1 << 16)
        if not chunk:
            raise SystemExit('a watch ended early')
        lines = (rest + chunk).split(b'\n')
        rest = lines.pop()
        for line in lines:
            if not line.startswith(b'{"type"'):
                continue
            version = int(VERSION.search(line).group(1))
            if version <= last:
                raise SystemExit('events are out of order')
            seen, last = seen + 1, version
    writer.close()


async def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument('--kubeconfig', required=True)
    arguments.add_argument('--pid', type=int, required=True)
    arguments.add_argument('--objects', type=int, default=10000)
    arguments.add_argument('--watches', type=int, default=200)
    arguments.add_argument('--selected', type=int, default=0)
    a = arguments.parse_args()
    server = Server(a.kubeconfig)
    stream = await server.connect()
    _, listed = await call(server, stream, 'GET', PATH + '?limit=1')
    version = json.loads(listed)['metadata']['resourceVersion']
    opened = asyncio.Semaphore(0)
    watch = f'{PATH}?watch=1&resourceVersion={version}'
    nothing = [asyncio.create_task(follow(server, watch + '&labelSelector=none', 1, opened)) for _ in range(a.selected)]
    tasks = [asyncio.create_task(follow(server, watch, a.objects, opened)) for _ in range(a.watches - a.selected)]
    for _ in range(a.watches):
        await opened.acquire()
    before, start, spent = memory(a.pid, 'VmRSS'), time.perf_counter(), cpu(a.pid)
    times = []
    for number in range(a.objects):
        body = json.dumps({'metadata': {'name': f'c{number:05}', 'labels': {'n': str(number % 10)}},
                           'data': {f'k{key}': 'value' for key in range(10)}}).encode()
        began = time.perf_counter()
        status, answer = await call(server, stream, 'POST', PATH, body)
        times.append(time.perf_counter() - began)
        if status != 201:
            raise SystemExit(answer)
    created = time.perf_counter() - start
    for task in tasks:
        await task
    wall = time.perf_counter() - start
    for task in nothing:
        task.cancel()
    times.sort()
    print(json.dumps({
        'objects': a.objects, 'watches': a.watches, 'selected': a.selected, 'events': a.objects * len(tasks),
        'server_cpu_s': round(cpu(a.pid) - spent, 2), 'create_p50_ms': round(times[len(times) // 2] * 1000, 3),
        'created_s': round(created, 1), 'seen_by_all_s': round(wall, 1), 'rss_before_mib': round(before, 1),
        'rss_after_mib': round(memory(a.pid, 'VmRSS'), 1), 'rss_peak_mib': round(memory(a.pid, 'VmHWM'), 1),
    }))


if __name__ == '__main__':
    asyncio.run(main())
