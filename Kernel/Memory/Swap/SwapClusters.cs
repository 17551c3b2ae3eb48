using System;

namespace NanoVm.Memory.Swap;

/// <summary>The free slots of an area, in clusters of 256: which one to give out next.</summary>
/// <remarks>
/// Linux: <c>scan_swap_map_try_ssd_cluster</c>, <c>swap_cluster_info</c>. Pages that are swapped out one after the other get slots one after the
/// other, so they are written, and later read, together. A cluster that is used up gives way to one that is all free; only when there is none
/// are the gaps of others filled.
/// <code>
///   current   [####......]  ──► the next slot          whole     list of clusters that are all free
///                                                       partial   list of those with gaps
///   full      [##########]  on no list
/// </code>
/// Taking and returning a slot cost O(1): a look at most at the 256 slots of one cluster. Guarded by <see cref="SwapSystem"/>'s lock.
/// </remarks>
internal struct SwapClusters
{
    public const int SlotsPerCluster = 256;

    private const int None = -1;

    private enum Place : byte
    {
        Nowhere,
        Whole,
        Partial,
    }

    /// <summary>One cluster; also the head of the two lists.</summary>
    internal struct Cluster
    {
        /// <summary>Slots that are free, and that can ever be.</summary>
        public ushort Free;
        public ushort Usable;
        internal byte On;
        internal int Next;
        internal int Previous;
    }

    private Cluster[] _clusters;
    private int _firstWhole, _lastWhole;
    private int _firstPartial, _lastPartial;

    /// <summary>Slots are taken from this one, which has some; or none is chosen.</summary>
    private int _current;

    /// <summary>Where in the current cluster the search goes on.</summary>
    private int _next;

    /// <summary>How many clusters an area of so many slots has.</summary>
    public static int CountFor(int slots) => (slots + SlotsPerCluster - 1) / SlotsPerCluster;

    /// <summary>The array, to be given back by its owner.</summary>
    public readonly Cluster[] Array => _clusters;

    /// <summary>Makes the lists from the use counts of a new area: slots are free or bad.</summary>
    /// <param name="clusters">As many as <see cref="CountFor"/> says, all zero.</param>
    public void Initialize(Cluster[] clusters, ReadOnlySpan<int> uses)
    {
        _clusters = clusters;
        _firstWhole = _lastWhole = _firstPartial = _lastPartial = _current = None;
        for (int slot = 0; slot < uses.Length; slot++)
        {
            if (uses[slot] == 0)
                clusters[slot / SlotsPerCluster].Usable++;
        }

        for (int i = 0; i < clusters.Length; i++)
        {
            clusters[i].Free = clusters[i].Usable;
            if (clusters[i].Usable != 0)
                Append(i, Place.Whole);
        }
    }

    /// <summary>Takes a free slot.</summary>
    /// <param name="uses">The use counts; the caller raises the one of the slot.</param>
    /// <returns>False when there is none.</returns>
    public bool TryTake(ReadOnlySpan<int> uses, out int slot)
    {
        slot = 0;
        if (_current == None && !TryChooseCluster())
            return false;

        // The current cluster has a free slot, else it would not be current.
        int start = _current * SlotsPerCluster;
        int length = Math.Min(SlotsPerCluster, uses.Length - start);
        while (uses[start + _next] != 0)
            _next = _next + 1 == length ? 0 : _next + 1;
        slot = start + _next;
        _next = _next + 1 == length ? 0 : _next + 1;
        if (--_clusters[_current].Free == 0)
            _current = None;
        return true;
    }

    private bool TryChooseCluster()
    {
        int chosen = _firstWhole != None ? _firstWhole : _firstPartial;
        if (chosen == None)
            return false;
        Detach(chosen);
        _current = chosen;
        _next = 0;
        return true;
    }

    /// <summary>A slot is free again.</summary>
    public void Return(int slot)
    {
        int cluster = slot / SlotsPerCluster;
        ref Cluster info = ref _clusters[cluster];
        info.Free++;
        if (cluster == _current)
            return;
        if (info.Free == info.Usable)
        {
            Detach(cluster);
            Append(cluster, Place.Whole);
        }
        else if (info.On == (byte)Place.Nowhere)
        {
            Append(cluster, Place.Partial);
        }
    }

    /// <summary>Whether the counts and lists fit the use counts.</summary>
    public readonly bool Validate(ReadOnlySpan<int> uses)
    {
        for (int i = 0; i < _clusters.Length; i++)
        {
            int free = 0;
            int end = Math.Min(uses.Length, (i + 1) * SlotsPerCluster);
            for (int slot = i * SlotsPerCluster; slot < end; slot++)
                free += uses[slot] == 0 ? 1 : 0;
            ref Cluster info = ref _clusters[i];
            Place place = i == _current || free == 0 ? Place.Nowhere : free == info.Usable ? Place.Whole : Place.Partial;
            if (free != info.Free || info.On != (byte)place)
                return false;
        }

        return _current == None || _clusters[_current].Free != 0;
    }

    private void Append(int cluster, Place place)
    {
        ref int first = ref place == Place.Whole ? ref _firstWhole : ref _firstPartial;
        ref int last = ref place == Place.Whole ? ref _lastWhole : ref _lastPartial;
        ref Cluster info = ref _clusters[cluster];
        info.On = (byte)place;
        info.Next = None;
        info.Previous = last;
        if (last == None)
            first = cluster;
        else
            _clusters[last].Next = cluster;
        last = cluster;
    }

    private void Detach(int cluster)
    {
        ref Cluster info = ref _clusters[cluster];
        if (info.On == (byte)Place.Nowhere)
            return;
        bool whole = info.On == (byte)Place.Whole;
        ref int first = ref whole ? ref _firstWhole : ref _firstPartial;
        ref int last = ref whole ? ref _lastWhole : ref _lastPartial;
        if (info.Previous == None)
            first = info.Next;
        else
            _clusters[info.Previous].Next = info.Next;
        if (info.Next == None)
            last = info.Previous;
        else
            _clusters[info.Next].Previous = info.Previous;
        info.On = (byte)Place.Nowhere;
    }
}
