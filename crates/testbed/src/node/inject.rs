//! Injects faults. Each lasting fault is recorded with the means to end it, so that all can be healed at the end. A
//! fault that this mode or machine does not support is refused with the reason.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rand::RngExt as _;
use rustix::process::Signal;
use tokio::task::JoinSet;

use super::detour::Detour;
use super::faults::{Lasting, NodeFault, PodName};
use super::network::CONTROL;
use super::process::{Group, Running};
use super::{Nodes, disk, network, slowness};

/// How long each burst of loss is, and each time without.
const BURST: Duration = Duration::from_millis(100);

/// The faults that last, with what ends each.
#[derive(Debug, Default)]
pub(super) struct Active(Mutex<Vec<(Lasting, Hold)>>);

/// What a fault holds while it lasts.
#[derive(Debug)]
enum Hold {
    Nothing,
    /// Wires that were cut: the process that holds a pod's network, and the address it does not reach.
    Wires(Vec<(u32, Ipv4Addr)>),
    Detour(Detour, PodName),
    /// A task that cuts and restores a wire.
    Bursts(JoinSet<()>, u32, Ipv4Addr),
    Volume(PathBuf, u64),
    Tracer(Running),
}

impl Active {
    fn add(&self, lasting: &Lasting, hold: Hold) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((lasting.clone(), hold));
    }

    fn take(&self, lasting: &Lasting) -> Option<Hold> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all.iter().position(|(known, _)| known == lasting)?;
        Some(all.remove(place).1)
    }

    fn all(&self) -> Vec<Lasting> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(lasting, _)| lasting.clone()).collect()
    }

    fn find<T>(&self, of: impl Fn(&Lasting) -> Option<T>) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().find_map(|(lasting, _)| of(lasting))
    }
}

impl Nodes {
    /// Makes a fault happen, or ends one. Fails if there is no such pod or node, and with the reason if this
    /// mode or machine cannot do it.
    pub fn inject(&self, fault: &NodeFault) -> anyhow::Result<()> {
        tracing::info!(%fault, "fault");
        if let Some(obstacle) = self.obstacle(fault) {
            anyhow::bail!("cannot {fault}: {obstacle}");
        }
        match fault {
            NodeFault::Kill(pod) => self.each(pod, |group| group.signal_all(Signal::KILL)),
            NodeFault::KillManager(pod) => self.each(pod, |group| group.signal_leader(Signal::KILL)),
            NodeFault::KillServer(pod) => self.servers(pod, Signal::KILL),
            NodeFault::Freeze(pod) => self.each(pod, |group| group.signal_all(Signal::STOP)),
            NodeFault::Thaw(pod) => self.each(pod, |group| group.signal_all(Signal::CONT)),
            NodeFault::Vanish(node) => self.connect(node, false),
            NodeFault::Return(node) => self.connect(node, true),
            NodeFault::Cut(from, to) => self.set_wire(from, to, false),
            NodeFault::Join(from, to) => self.set_wire(from, to, true),
            NodeFault::CutOutside(pod) => self.set_outside(pod, false),
            NodeFault::JoinOutside(pod) => self.set_outside(pod, true),
            NodeFault::Begin(lasting) => {
                let hold = self.begin(lasting)?;
                self.active.add(lasting, hold);
                self.reconsider_api();
                Ok(())
            }
            NodeFault::End(lasting) => {
                let hold = self.active.take(lasting).with_context(|| format!("no fault: {lasting}"))?;
                self.reconsider_api();
                self.end(lasting, hold)
            }
        }
    }

    /// Ends all faults that last and have a name of their own ([`Lasting`]). What cannot be ended because its pod
    /// is gone is left to go with it.
    pub fn heal(&self) {
        for lasting in self.active.all() {
            if let Err(error) = self.inject(&NodeFault::End(lasting)) {
                tracing::debug!(%error, "not ended");
            }
        }
    }

    fn begin(&self, lasting: &Lasting) -> anyhow::Result<Hold> {
        match lasting {
            Lasting::FreezeManager(pod) => self.each(pod, |group| group.signal_leader(Signal::STOP))?,
            Lasting::FreezeServer(pod) => self.servers(pod, Signal::STOP)?,
            Lasting::Split(one, other) => {
                let ((here, one), (there, other)) = (self.wire(one)?, self.wire(other)?);
                return cut(vec![(one, there), (other, here)]);
            }
            Lasting::SplitFromPeers(pod) => {
                let (here, process) = self.wire(pod)?;
                let others = self.machines.iter().flat_map(|machine| machine.all_wires());
                let others: Vec<(Ipv4Addr, u32)> = others.filter(|(address, _)| *address != here).collect();
                let forth = others.iter().map(|(there, _)| (process, *there));
                return cut(forth.chain(others.iter().map(|(_, other)| (*other, here))).collect());
            }
            Lasting::SplitFromApi(pod) => return cut(vec![(self.wire(pod)?.1, CONTROL)]),
            Lasting::Delay(from, to, delay) => {
                let ((source, process), (target, _)) = (self.wire(from)?, self.wire(to)?);
                return Ok(Hold::Detour(self.detours.begin(process, source, target, *delay)?, from.clone()));
            }
            Lasting::Loss(from, to, percent) => {
                let ((_, process), (target, _)) = (self.wire(from)?, self.wire(to)?);
                let mut task = JoinSet::new();
                task.spawn(bursts(process, target, *percent));
                return Ok(Hold::Bursts(task, process, target));
            }
            Lasting::DiskFull(claim) => {
                let machine = self.machines.first().context("no nodes")?;
                let folder =
                    machine.claim_folder(&claim.namespace, &claim.name).map_err(anyhow::Error::msg)?;
                let size = disk::fill(&folder)?;
                return Ok(Hold::Volume(folder, size));
            }
            Lasting::SlowVolumes(pod, delay) => {
                let processes: Vec<u32> = self.groups(pod)?.into_iter().flat_map(Group::processes).collect();
                return slowness::begin(&self.guard, &processes, *delay).map(Hold::Tracer);
            }
            Lasting::ClockShift(pod, seconds) => self.set_clock(pod, *seconds)?,
            Lasting::MissingImage(image) => self.images.set_missing(image, true),
            Lasting::StaleDns => self.names.set_stale(true),
            Lasting::ApiOutage | Lasting::ApiSlow(_) => {}
        }
        Ok(Hold::Nothing)
    }

    fn end(&self, lasting: &Lasting, hold: Hold) -> anyhow::Result<()> {
        match hold {
            Hold::Nothing => {}
            Hold::Wires(wires) => {
                for (process, address) in wires {
                    network::set_wire(process, address, true)?;
                }
            }
            Hold::Detour(detour, from) => {
                return detour.end(self.wire(&from).ok().map(|(_, process)| process));
            }
            Hold::Bursts(task, process, address) => {
                drop(task);
                return network::set_wire(process, address, true);
            }
            Hold::Volume(folder, size) => return disk::resize(&folder, size),
            Hold::Tracer(tracer) => slowness::end(&tracer),
        }
        match lasting {
            Lasting::FreezeManager(pod) => self.each(pod, |group| group.signal_leader(Signal::CONT)),
            Lasting::FreezeServer(pod) => self.servers(pod, Signal::CONT),
            Lasting::ClockShift(pod, _) => self.set_clock(pod, 0),
            Lasting::StaleDns => {
                self.names.set_stale(false);
                Ok(())
            }
            Lasting::MissingImage(image) => {
                self.images.set_missing(image, false);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sets the state of the API to the sum of all faults.
    fn reconsider_api(&self) {
        let out = self.active.find(|lasting| (*lasting == Lasting::ApiOutage).then_some(())).is_some();
        let slow = self.active.find(|lasting| match lasting {
            Lasting::ApiSlow(delay) => Some(*delay),
            _ => None,
        });
        let delay = slow.unwrap_or_default();
        let links = self.machines.iter().map(|machine| &machine.link).chain([&self.control]);
        links.for_each(|link| link.change(|way| (way.answered, way.delay) = (!out, delay)));
        if let Some(door) = &self.door {
            door.set_open(!out);
            door.set_delay(delay);
        }
    }

    fn groups(&self, pod: &PodName) -> anyhow::Result<Vec<Group>> {
        let groups = self.machines.iter().flat_map(|machine| machine.groups(&pod.namespace, &pod.name));
        let groups: Vec<Group> = groups.map(|(_, group)| group).collect();
        anyhow::ensure!(!groups.is_empty(), "no process of pod {pod} runs");
        Ok(groups)
    }

    fn each(&self, pod: &PodName, act: impl Fn(Group)) -> anyhow::Result<()> {
        self.groups(pod)?.into_iter().for_each(act);
        Ok(())
    }

    fn servers(&self, pod: &PodName, signal: Signal) -> anyhow::Result<()> {
        let found: Vec<bool> =
            self.groups(pod)?.into_iter().map(|group| group.signal_servers(signal)).collect();
        anyhow::ensure!(found.contains(&true), "no server of pod {pod} runs");
        Ok(())
    }

    fn connect(&self, node: &str, up: bool) -> anyhow::Result<()> {
        let machine = self.machine(node).with_context(|| format!("no node {node}"))?;
        machine.link.change(|way| way.connected = up);
        Ok(())
    }

    fn set_wire(&self, from: &PodName, to: &PodName, up: bool) -> anyhow::Result<()> {
        let ((_, process), (address, _)) = (self.wire(from)?, self.wire(to)?);
        network::set_wire(process, address, up)
    }

    fn set_outside(&self, pod: &PodName, up: bool) -> anyhow::Result<()> {
        let (address, process) = self.wire(pod)?;
        network::set_wire(process, network::GATEWAY, up)?;
        network::set_wire(process, CONTROL, up)?;
        network::set_gateway_wire(address, up)
    }

    fn wire(&self, pod: &PodName) -> anyhow::Result<(Ipv4Addr, u32)> {
        let found = self.machines.iter().find_map(|machine| machine.wire(&pod.namespace, &pod.name));
        found.with_context(|| format!("pod {pod} has no network"))
    }

    fn set_clock(&self, pod: &PodName, seconds: i64) -> anyhow::Result<()> {
        let mut places = self.machines.iter().filter_map(|machine| {
            let place = machine.place(&pod.namespace, &pod.name)?;
            Some(machine.clock_file(&place.uid))
        });
        let file = places.next().with_context(|| format!("no process of pod {pod} runs"))?;
        // In one move, for who reads it meanwhile.
        let next = file.with_extension("next");
        std::fs::write(&next, format!("{seconds:+}\n"))?;
        Ok(std::fs::rename(next, file)?)
    }
}

fn cut(wires: Vec<(u32, Ipv4Addr)>) -> anyhow::Result<Hold> {
    for (process, address) in &wires {
        network::set_wire(*process, *address, false)?;
    }
    Ok(Hold::Wires(wires))
}

/// Cuts and restores a wire, so that it is cut for a share of the time.
async fn bursts(process: u32, target: Ipv4Addr, percent: u8) {
    let mut ticks = tokio::time::interval(BURST);
    let mut up = true;
    loop {
        ticks.tick().await;
        let wanted = rand::rng().random_range(0..100) >= percent;
        if wanted != up {
            up = wanted;
            let set = tokio::task::spawn_blocking(move || network::set_wire(process, target, up)).await;
            if let Ok(Err(error)) = set {
                tracing::debug!(%error, "a wire was not set");
            }
        }
    }
}
